#!/bin/sh
# Make a virtual environment smaller for serving: what is left does all that `app` does.
#
#     sh docker/slim.sh /opt/venv
#
# With torch and OpenVINO, each where it is installed.
set -eu
venv=$1
cd "$venv/lib/python3.11/site-packages"

# The clients of AWS's 400 other services.
find botocore/data -mindepth 1 -maxdepth 1 -type d \
  ! -name s3 ! -name sagemaker ! -name sagemaker-runtime \
  ! -name signin ! -name sso ! -name sso-oidc ! -name sts -exec rm -r {} +
# What packages bring for their own development, and for compiling against them.
find . -name '*.pyi' -delete
find . -type d -name tests ! -path '*/testing/*' -prune -exec rm -r {} +
rm -rf numpy/_core/include numpy/f2py numpy/_core/lib
if [ -d torch ]; then
  rm -rf torch/include torch/share torch/test
  rm -f torch/lib/libtorchbind_test.so torch/lib/libjitbackend_test.so \
    torch/lib/libbackend_with_compiler.so torch/lib/libaoti_custom_ops.so
  # Importing torch fails without this one program.
  find torch/bin -mindepth 1 ! -name torch_shm_manager -delete
  # Only torch.compile and torch.export use them.
  rm -rf torch/_inductor
  "$venv/bin/python" -m pip uninstall --quiet --yes sympy mpmath networkx jinja2 markupsafe
fi
if [ -d openvino ]; then
  # The core, the plugin for processors, and TBB: networks are built layer by layer, so nothing
  # reads a file of another framework. cache.json is of the plugin for Intel's GPUs.
  find openvino/libs -type f ! -name 'libopenvino.so*' ! -name '*_cpu_plugin.so' \
    ! -name 'libtbb*.so*' ! -name 'libhwloc.so*' -delete
  rm -rf openvino/include openvino/cmake openvino/tools openvino/torch openvino/frontend/*/
  # Only the converter among those tools uses it.
  "$venv/bin/python" -m pip uninstall --quiet --yes openvino-telemetry
fi
# Symbols for debuggers. Wheels name bundled libraries NAME-HASH.so.N; those are patched in ways that
# strip may break, so they stay.
find . -name '*.so' ! -path '*.libs/*' ! -path './openvino/*' -exec strip --strip-unneeded {} +
"$venv/bin/python" -m pip uninstall --quiet --yes pip setuptools

# Bytecode of what is imported, and of nothing else: that of all of PyTorch has the size of its
# sources again.
set -- boto3.session fastapi.staticfiles fastapi.openapi.docs multipart numpy PIL.AvifImagePlugin \
  PIL.WebPImagePlugin prometheus_client pydantic_settings uvicorn.protocols.http.httptools_impl \
  uvicorn.loops.uvloop
[ ! -d torch ] || set -- "$@" torch
[ ! -d openvino ] || set -- "$@" openvino
for module in "$@"; do
  "$venv/bin/python" -W ignore -c "import $module"
done
