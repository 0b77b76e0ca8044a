// Starts Swagger UI; a file of its own because the Content-Security-Policy forbids inline scripts.
SwaggerUIBundle({
  url: "openapi.json",
  dom_id: "#swagger-ui",
  deepLinking: true,
  displayRequestDuration: true,
  // No badge from validator.swagger.io: nothing is loaded from another host.
  validatorUrl: null,
});
