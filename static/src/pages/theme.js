// Runs before the first paint, so that a dark page never flashes light. No imports: this one is not a module.
(() => {
  const root = document.documentElement;
  const system = window.matchMedia("(prefers-color-scheme: dark)");
  const chosen = () => {
    try {
      return localStorage.getItem("studio-theme");
    } catch {
      return null; // storage is blocked: follow the system
    }
  };
  const apply = () => {
    const theme = chosen() ?? (system.matches ? "dark" : "light");
    if (root.dataset.bsTheme === theme) return;
    root.dataset.bsTheme = theme;
    document.dispatchEvent(new CustomEvent("studio:theme", { detail: theme }));
  };
  apply();
  system.addEventListener("change", apply);
  window.addEventListener("storage", apply);
  document.addEventListener("studio:choose-theme", (event) => {
    if (!(event instanceof CustomEvent)) return;
    try {
      localStorage.setItem("studio-theme", event.detail);
    } catch {
      root.dataset.bsTheme = event.detail;
    }
    apply();
  });
})();
