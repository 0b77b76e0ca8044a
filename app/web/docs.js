// Starts Swagger UI; a file of its own because the Content-Security-Policy forbids inline scripts.

// Behind a proxy with a path of its own, requests go where this page came from.
const base = new URL(".", document.baseURI).pathname;
const atBase = (spec) => (base === "/" ? spec : { ...spec, servers: [{ url: base }] });

SwaggerUIBundle({
  url: "openapi.json",
  dom_id: "#swagger-ui",
  deepLinking: true,
  displayRequestDuration: true,
  // No badge from validator.swagger.io: nothing is loaded from another host.
  validatorUrl: null,
  plugins: [
    {
      statePlugins: {
        spec: { wrapActions: { updateJsonSpec: (update) => (spec) => update(atBase(spec)) } },
      },
    },
  ],
});
