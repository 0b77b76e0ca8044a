// How far the photos are: the toolbar's counts, and the same in words for those who do not see it.

import { isReady, KINDS } from "./view.js";
import { percent } from "./words.js";

const PAUSE = 10_000; // milliseconds between two words on how far they are

export class Counts {
  #$;
  #sent = []; // since all were ready last
  #told = 0; // when it was said last how far they are

  /** @param {(id: string) => HTMLElement} $ */
  constructor($) {
    this.#$ = $;
  }

  /** These are sent now. */
  begin(photos) {
    this.#sent = [...this.#sent, ...photos];
    this.#told = performance.now();
    this.#$("status").textContent = "";
  }

  clear() {
    this.#sent = [];
    this.#$("status").textContent = "";
  }

  /** @param {object[]} photos all that there are */
  show(photos) {
    const count = (is) => photos.filter(is).length;
    const ready = count(isReady);
    this.#$("count").textContent = `${ready} of ${photos.length} photos`;
    this.#$("progress").max = Math.max(photos.length, 1);
    this.#$("progress").value = ready;
    for (const [kind, is] of Object.entries(KINDS)) {
      this.#$(`count-${kind}`).textContent = count(is);
    }
    if (!this.#sent.length) return;
    if (ready === photos.length) {
      const [review, failed] = [KINDS.review, KINDS.failed].map(count);
      const summary =
        `${ready - failed} of ${ready} photos answered, ${review} to look at, ${failed} failed.`;
      const one = this.#sent.length === 1 ? `${inShort(this.#sent[0])} ` : "";
      this.#$("status").textContent = one + summary;
      this.#sent = [];
    } else if (performance.now() - this.#told >= PAUSE) {
      this.#told = performance.now();
      this.#$("status").textContent = `${ready} of ${photos.length} answered.`;
    }
  }
}

function inShort({ name, state, prediction, problem }) {
  if (!prediction) return `${name}: ${problem.title}.`;
  const look = state === "review" ? ", a person should look" : "";
  return `${name}: ${prediction.label}, ${percent(prediction.confidence)}${look}.`;
}
