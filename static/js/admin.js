// What unfold's templates keep in expressions that need `eval` stands here, as Alpine's build without it wants.

document.addEventListener("alpine:init", () => {
  window.Alpine.data("searchForm", window.searchForm);
  window.Alpine.data("searchDropdown", window.searchDropdown);
  window.Alpine.data("adminPage", (tab) => ({
    openModal: false,
    filterOpen: false,
    openAllApplications: false,
    sidebarDesktopOpen: true,
    activeTab: tab === null ? "" : window.getCurrentTab() || tab,
    formAction(shown) {
      return location.pathname + location.search + (shown && shown !== "general" ? `#${shown}` : "");
    },
  }));
});
