// The cards with the keyboard: from one to the next, and what its photo shows.

import { choiceOf } from "./choices.js";

/**
 * @param {HTMLElement} results the cards, and what stands above them
 * @param {(card: HTMLElement) => object} photoOf
 * @param {Labels} labels told what a key says of a photo
 */
export function watchKeys(results, photoOf, labels) {
  results.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || event.target.type === "search") return;
    const card = event.target.closest(".card");
    if (!card) {
      // Such as on the filter, where the focus goes after the last card.
      if (event.key === "Backspace" && !event.repeat) labels.takeBack();
      return;
    }
    const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
    if (step) {
      event.preventDefault();
      (step > 0 ? card.nextElementSibling : card.previousElementSibling)?.focus();
      return;
    }
    // Held, it would choose and take back in turn.
    if (event.repeat && event.target.matches(".choice")) event.preventDefault();
    // Enter on a button within the card is for the button; a key that is held is for one photo.
    if ((event.key === "Enter" && event.target !== card) || event.repeat) return;
    const photo = photoOf(card);
    if (event.key === "Backspace") labels.takeBack(photo);
    else if (photo.prediction) {
      const truth = choiceOf(event, photo);
      if (truth) labels.judge(photo, truth, true);
    }
  });
}
