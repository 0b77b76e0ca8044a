#!/bin/sh
# Make a virtual environment smaller for serving: what is left does all that `app` does.
#
#     sh docker/slim.sh /opt/venv MODULE...
#
# MODULEs are imported, so that their bytecode, and only what is imported, is in the image: the
# bytecode of all of PyTorch has the size of its sources again.
set -eu
venv=$1
shift
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
  # Importing torch fails without this one program.
  find torch/bin -mindepth 1 ! -name torch_shm_manager -delete
  # Only torch.compile and torch.export use them.
  "$venv/bin/python" -m pip uninstall --quiet --yes sympy mpmath networkx
fi
# Symbols for debuggers. Wheels name bundled libraries NAME-HASH.so.N; those are patched in ways that
# strip may break, so they stay.
find . -name '*.so' ! -path '*.libs/*' -exec strip --strip-unneeded {} +
"$venv/bin/python" -m pip uninstall --quiet --yes pip setuptools
for module in "$@"; do
  "$venv/bin/python" -W ignore -c "import $module"
done
