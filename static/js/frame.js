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

// A table that is wider than its place scrolls sideways: by keys too, so it takes the focus then.

function reachable() {
  for (const region of document.querySelectorAll(".scroll, .report-scroll")) {
    if (region.scrollWidth > region.clientWidth) {
      region.tabIndex = 0;
      region.setAttribute("role", "group");
      region.setAttribute("aria-label", "Table, scrolls sideways");
    } else {
      region.removeAttribute("tabindex");
    }
  }
}

reachable();
window.addEventListener("resize", reachable);
document.addEventListener("htmx:afterSwap", reachable);
