// What a photo shows, in a person's words: the bars of its card are buttons, and keys choose too.

import { make } from "./parts.js";
import { percent } from "./words.js";

/** What a person says of a photo that shows none of the ten; also its folder's name in training. */
const OTHER = "other";

const NONE = { key: "N", label: "None of these", choice: OTHER };

/**
 * A bar for each category, likeliest first, and one for none of them.
 * @param {{prediction: object, truth: string | null}} photo
 * @param {(truth: string | null) => void} judge told what is clicked; null: it is taken back
 * @param {number} top how many of them are `first`, with the chosen one, and `other` in doubt
 * @returns {{first: HTMLElement, rest: HTMLElement}}
 */
export function choices({ prediction, truth }, judge, top) {
  const all = prediction.probabilities.map(({ label, class_id, probability }) => (
    { key: class_id, label, choice: label, probability }));
  const doubtful = prediction.review_reasons.includes("not_a_garment");
  // What is chosen is always seen.
  const isFirst = ({ choice }, place) => (
    place < top || choice === truth || (choice === OTHER && doubtful));
  const rows = [...all, NONE].map((one, place) => ({ one, first: isFirst(one, place) }));
  const list = (some) => (
    make("ul", "bars", ...some.map(({ one }) => make("li", "", row(one, truth, judge)))));
  return { first: list(rows.filter(({ first }) => first)),
    rest: list(rows.filter(({ first }) => !first)) };
}

function row({ key, label, choice, probability }, truth, judge) {
  const button = make("button", "choice", make("span", "key", key), make("span", "", label));
  button.type = "button";
  button.dataset.choice = choice;
  button.title = "Say that the photo shows this";
  const chosen = choice === truth;
  button.setAttribute("aria-pressed", chosen);
  if (probability !== undefined) {
    const fill = make("span", "fill");
    fill.style.width = `${probability * 100}%`;
    button.append(make("span", "bar", fill), make("span", "", percent(probability)));
  }
  button.addEventListener("click", (event) => {
    // The second click of a double-click would meet the card that has moved up.
    if (event.detail <= 1) steadily(button, () => judge(chosen ? null : choice));
  });
  return button;
}

/** In a card whose head is out of sight, as on a phone, the button stays where the finger is. */
function steadily(button, change) {
  const card = button.closest(".card");
  const { top } = button.getBoundingClientRect();
  const wasCut = card.getBoundingClientRect().top < 0;
  change();
  if (!wasCut || !card.isConnected) return;
  const now = [...card.querySelectorAll(".choice")]
    .find(({ dataset }) => dataset.choice === button.dataset.choice);
  window.scrollBy({ top: now.getBoundingClientRect().top - top, behavior: "instant" });
}

/**
 * What a key says of the photo: the number of a category, N, or Enter for "it is right so".
 * @returns {string | undefined}
 */
export function choiceOf({ key }, { prediction, truth }) {
  const { probabilities, label } = prediction;
  if (key === "Enter") return truth ?? label;
  if (key.toUpperCase() === NONE.key) return OTHER;
  return probabilities.find(({ class_id }) => String(class_id) === key)?.label;
}

/** A choice as people read it. */
export function inWords(truth) {
  return truth === OTHER ? "None of the ten" : truth;
}
