/** Tests a registered datastore from a node of a compute target: asks for it, and looks until a node has answered. */
import { api, ApiError } from "../lib/api.js";
import { TestResult } from "./test-result.js";

const LOOK_MS = 1000;

/** @param {HTMLElement} section Shown where the workspace has a compute target. */
export async function wireNodeTest(section) {
  const { targetsUrl, checksUrl } = section.dataset;
  const select = /** @type {HTMLSelectElement} */ (section.querySelector("[data-node-target]"));
  const button = /** @type {HTMLButtonElement} */ (section.querySelector("[data-node-start]"));
  const result = new TestResult(section.querySelector("[data-test-result]"));

  async function test() {
    button.disabled = true;
    result.busy("Waiting for a node…");
    try {
      let check = await api.post(checksUrl, { target: Number(select.value) });
      while (!check.is_over) {
        if (check.node) result.busy(`Node ${check.node} is connecting…`);
        await new Promise((resolve) => setTimeout(resolve, LOOK_MS));
        check = await api.get(`${checksUrl}${check.id}/`);
      }
      if (check.status === "completed") result.good(check.message);
      else result.bad(check.message);
    } catch (error) {
      if (!(error instanceof ApiError)) throw error;
      result.bad(error.detail);
    } finally {
      button.disabled = false;
    }
  }

  button.addEventListener("click", test);
  const targets = (await api.get(targetsUrl)).results;
  select.replaceChildren(...targets.map(({ id, name }) => new Option(name, String(id))));
  section.hidden = targets.length === 0;
}
