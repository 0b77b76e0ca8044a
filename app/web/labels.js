// What a person says of the photos, kept in this browser, and taken back.

import { guard } from "./leave.js";
import { remember } from "./remember.js";

export class Labels {
  #given = []; // photos, the one with the latest label last
  #$;
  #changed;
  #bringBack;

  /**
   * @param {(id: string) => HTMLElement} $
   * @param {(photo: object) => void} changed draws the photo and the list again
   * @param {(photo: object, here: object) => HTMLElement} bringBack lists a photo again, where
   *   another one is
   */
  constructor($, changed, bringBack) {
    this.#$ = $;
    this.#changed = changed;
    this.#bringBack = bringBack;
  }

  /**
   * A person says what the photo shows.
   * @param {string | null} truth null: nothing any more
   * @param {boolean} onward whether to go on to the next card
   */
  judge(photo, truth, onward = false) {
    const { element } = photo.card;
    const next = element.nextElementSibling;
    const nearest = next ?? element.previousElementSibling;
    if (photo.truth !== truth) {
      photo.truth = truth;
      this.#given = this.#given.filter((other) => other !== photo);
      if (truth) this.#given.push(photo);
      const kept = remember(photo);
      this.#$("kept").hidden = !kept;
      this.#$("unkept").hidden = kept;
      guard([photo]);
      this.#changed(photo);
    }
    // It comes to where this one was; who clicks there has it in sight.
    if (!element.isConnected) nearest?.focus({ preventScroll: !onward });
    else if (onward) next?.focus();
  }

  /** Take back what was said of this photo, or else of the last one. */
  takeBack(photo) {
    const last = photo.truth ? photo : this.#given.at(-1);
    if (!last) return;
    const card = this.#bringBack(last, photo);
    this.judge(last, null);
    card.focus();
  }

  /** They go, and what the browser has kept of them. */
  forget(photos) {
    for (const photo of photos) remember({ ...photo, truth: null });
    this.#given = [];
  }
}
