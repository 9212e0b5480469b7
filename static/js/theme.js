// Runs before anything is drawn, so that no page flashes in the wrong colours: dark or light as chosen, else as the system.
(() => {
  const KEY = "look";
  const root = document.documentElement;
  const system = matchMedia("(prefers-color-scheme: dark)");

  function chosen() {
    try {
      const value = localStorage.getItem(KEY);
      return value === "light" || value === "dark" ? value : "system";
    } catch {
      return "system";
    }
  }

  function apply() {
    const choice = chosen();
    const dark = choice === "dark" || (choice === "system" && system.matches);
    root.classList.toggle("dark", dark);
    root.classList.toggle("light", !dark);
    root.dispatchEvent(new Event("lookchange"));
  }

  apply();
  system.addEventListener("change", apply);
  document.addEventListener("DOMContentLoaded", () => {
    for (const select of document.querySelectorAll("[data-theme-choice]")) {
      select.value = chosen();
      select.addEventListener("change", () => {
        try {
          localStorage.setItem(KEY, select.value);
        } catch {
          // A browser that keeps nothing follows the system.
        }
        apply();
      });
    }
  });
})();
