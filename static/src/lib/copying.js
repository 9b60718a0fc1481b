// Buttons that copy what they say in `data-copy`.
import { toast } from "./toast.js";

document.addEventListener("click", async (event) => {
  const button = event.target instanceof Element ? event.target.closest("[data-copy]") : null;
  if (!(button instanceof HTMLElement)) return;
  try {
    await navigator.clipboard.writeText(button.dataset.copy);
    toast("Copied.", "success");
  } catch {
    toast("The browser does not let this page copy. Select the line instead.", "error");
  }
});
