// What happened lately, in words.

import { node } from "/tools.js";

const KEPT = 60;

const WORDS = {
  handshake_failed: (e) => ["bad", `${e.peer}: ${e.reason}`],
  refused: (e) => ["bad", `${e.peer} was refused: ${e.refusal}`],
  rejected: (e) => ["bad", `${e.device} published to ${e.topic}, which was not taken: ${e.reason}`],
  created: (e) => ["good", `${e.device} was created`],
  certificate_replaced: (e) => ["good", `${e.device} came with a renewed certificate`],
  deleted: (e) => ["plain", `${e.device} was deleted`],
  connected: (e) => ["good", `${e.device} is online (${e.protocol})`],
  disconnected: (e) => (e.replaced ? null : ["plain", `${e.device} is offline: ${e.reason}`]),
  subscribed: (e) => ["plain", `${e.device} listens to ${e.filter}`],
  rpc_received: (e) => ["plain", `${e.device} called ${e.method}`],
  claimable: (e) => ["plain", `${e.device} may be claimed until ${new Date(e.expires_ms).toLocaleTimeString()}`],
};

export class Activity {
  #list;
  #empty;

  constructor(list, empty) {
    this.#list = list;
    this.#empty = empty;
  }

  event(event, at = new Date()) {
    const words = WORDS[event.type]?.(event);
    if (words) this.add(...words, at);
  }

  /** What happened before the page listened, oldest first; it takes the place of what was listed. */
  past(events) {
    this.#list.replaceChildren();
    this.#empty.hidden = false;
    for (const event of events) this.event(event, new Date(event.at_ms));
  }

  add(kind, words, at = new Date()) {
    const time = node("time", {}, at.toLocaleTimeString([], { hour12: false }));
    this.#list.prepend(node("li", { "data-kind": kind }, time, words));
    while (this.#list.children.length > KEPT) this.#list.lastChild.remove();
    this.#empty.hidden = true;
  }
}
