/** Opens Swagger UI on this server's document, in the colours that the person prefers. */

const place = document.getElementById("documentation");
const dark = matchMedia("(prefers-color-scheme: dark)");

function dress() {
  document.documentElement.classList.toggle("dark-mode", dark.matches);
}

dark.addEventListener("change", dress);
dress();

window.SwaggerUIBundle({
  domNode: place,
  url: place.dataset.openapi,
  deepLinking: true,
  persistAuthorization: false,
  displayRequestDuration: true,
  defaultModelsExpandDepth: 0,
  defaultModelRendering: "model",
  docExpansion: "list",
  syntaxHighlight: { theme: dark.matches ? "nord" : "idea" },
  validatorUrl: null,
});
