// The box that calls the device, and the answers.

import { api, by, node, path } from "/tools.js";

const KEPT = 8;
const PRESETS = [
  ["getStatus", "{}"],
  ["setInterval", '{"ms": 1000}'],
  ["reboot", "{}"],
  ["factoryReset", "{}"],
];

export class Calls {
  #device;

  /** `device` tells the name of the one that is shown. */
  constructor(device) {
    this.#device = device;
    by("rpc-presets").append(...PRESETS.map(([method, params]) => {
      const button = node("button", { type: "button", class: "quiet" }, method);
      button.addEventListener("click", () => {
        by("rpc-method").value = method;
        by("rpc-params").value = params;
        by("rpc-send").focus();
      });
      return button;
    }));
    by("rpc").addEventListener("submit", (event) => {
      event.preventDefault();
      this.#send();
    });
  }

  clear() {
    by("rpc-answers").replaceChildren();
  }

  async #send() {
    const method = by("rpc-method").value.trim();
    const raw = by("rpc-params").value.trim();
    const answers = by("rpc-answers");
    const took = node("span", { class: "muted" }, "…");
    const body = node("pre", {}, "waiting for the device");
    const item = node("li", { "data-state": "waiting" },
      node("div", { class: "what" }, node("strong", {}, method), took), body);
    answers.prepend(item);
    while (answers.children.length > KEPT) answers.lastChild.remove();
    const settle = (state, text) => {
      item.dataset.state = state;
      body.textContent = text;
    };
    let params = null;
    try {
      params = raw ? JSON.parse(raw) : {};
    } catch (error) {
      took.textContent = "not sent";
      return settle("failed", `The parameters are not JSON: ${error.message}`);
    }
    const begun = performance.now();
    const button = by("rpc-send");
    button.disabled = true;
    try {
      const one_way = by("rpc-one-way").checked;
      const { answer } = await api("POST", `${path(this.#device())}/rpc`, { method, params, one_way });
      settle("answered", one_way ? "sent" : JSON.stringify(answer, null, 2));
    } catch (error) {
      settle("failed", error.message);
    }
    button.disabled = false;
    took.textContent = `${Math.round(performance.now() - begun)} ms`;
  }
}
