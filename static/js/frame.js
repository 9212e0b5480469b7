// The menu on small screens.

const button = document.querySelector("[data-menu]");
const side = document.getElementById("side");

function show(open) {
  side.classList.toggle("open", open);
  button.setAttribute("aria-expanded", String(open));
}

if (button && side) {
  document.documentElement.classList.add("with-menu");
  button.addEventListener("click", () => show(!side.classList.contains("open")));
  document.addEventListener("keydown", (event) => {
    if (event.key === "Escape" && side.classList.contains("open")) {
      show(false);
      button.focus();
    }
  });
}
