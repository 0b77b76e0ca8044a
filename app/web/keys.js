// The cards with the keyboard: from one to the next, and what its photo shows.

import { choiceOf } from "./choices.js";

/**
 * @param {HTMLElement} cards
 * @param {(card: HTMLElement) => object} photoOf
 * @param {(photo: object, truth: string | null, onward: boolean) => void} judge told what a key
 *   says of a photo, and whether to go on to the next card
 */
export function watchKeys(cards, photoOf, judge) {
  cards.addEventListener("keydown", (event) => {
    const card = event.target.closest(".card");
    if (!card || event.ctrlKey || event.metaKey || event.altKey) return;
    const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
    if (step) {
      event.preventDefault();
      (step > 0 ? card.nextElementSibling : card.previousElementSibling)?.focus();
      return;
    }
    // Enter on a button within the card is for the button.
    if (event.key === "Enter" && event.target !== card) return;
    const photo = photoOf(card);
    const truth = photo.prediction ? choiceOf(event, photo.prediction) : undefined;
    if (truth === undefined) return;
    event.preventDefault();
    judge(photo, truth, truth !== null);
  });
}
