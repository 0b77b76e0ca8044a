// The card of one photo.

import { choices, inWords } from "./choices.js";
import { failure, make, path } from "./parts.js";
import { drawThumbnail } from "./thumbnail.js";
import { why } from "./why.js";
import { likely, milliseconds, percent, reasons } from "./words.js";

const TOP = 3; // bars that are always shown
const WAITING = { waiting: "Waiting", sending: "Looking…" };

let cards = 0;

export class Card {
  #photo;
  #actions;
  #thumbnail;
  #hasPicture = false;
  #answered; // the prediction that the parts below are of
  #details;
  #why;
  #head = make("div", "head");
  #body = make("div", "body");

  /**
   * @param {object} actions
   * @param {() => void} actions.retry sends this photo again
   * @param {(note: (text: string) => void) => Promise<object>} actions.explain asks why it has
   *   its answer
   * @param {(truth: string | null) => void} actions.judge told what the photo shows
   */
  constructor(photo, actions) {
    this.#photo = photo;
    this.#actions = actions;
    this.#thumbnail = make("div", "thumbnail", extension(photo.name));
    this.#thumbnail.setAttribute("aria-hidden", "true");
    this.element = make("li", "card", this.#thumbnail, this.#head, this.#body);
    this.element.tabIndex = -1; // takes the focus of a button that goes
    this.#head.id = `head-${cards += 1}`;
    this.element.setAttribute("aria-labelledby", this.#head.id);
  }

  /** Draw the photo's state. */
  show() {
    const { state, name, prediction, problem, truth } = this.#photo;
    const focused = this.element.contains(document.activeElement);
    // By keyboard only: after a click, keys are for the card.
    const choice = this.element.querySelector(".choice:focus-visible")?.dataset.choice;
    this.element.dataset.state = state;
    const title = make("p", "name", ...path(name));
    if (prediction) {
      const doubtful = !truth && prediction.review_reasons.includes("not_a_garment");
      const text = truth ? inWords(truth) : prediction.label;
      const label = make("p", doubtful ? "label doubtful" : "label", text);
      this.#head.replaceChildren(title, label, truth ? checked(compared(this.#photo))
        : make("p", "", percent(prediction.confidence)));
      this.#body.replaceChildren(...this.#answer());
    } else if (problem) {
      this.#head.replaceChildren(title, make("p", "error", problem.title));
      this.#body.replaceChildren(...failure(problem, this.#actions.retry));
      if (truth) this.#head.append(checked(inWords(truth)));
    } else {
      this.#head.replaceChildren(title, make("p", "pending", WAITING[state]));
      this.#body.replaceChildren();
    }
    if (focused) this.#refocus(choice);
  }

  /** What had the focus is gone: the card gets it, or the new button of the same choice. */
  #refocus(choice) {
    this.element.focus({ preventScroll: true });
    const buttons = [...this.element.querySelectorAll(".choice")];
    buttons.find(({ dataset }) => dataset.choice === choice)?.focus({ preventScroll: true });
  }

  /** Say why it takes longer. */
  note(text) {
    this.#head.querySelector(".pending").textContent = text;
  }

  /** It is seen now, so it gets its picture; after the answer, as the service refuses what is too
   * large to be decoded here. */
  look() {
    if (this.#hasPicture || !this.#photo.prediction) return;
    this.#hasPicture = true;
    this.#thumbnail.style.rotate = `${this.#photo.prediction.rotation}deg`; // as the model saw it
    drawThumbnail(this.#photo.file, this.#thumbnail);
  }

  /** The parts under the head; what was opened stays open while a person says what it shows. */
  #answer() {
    const { prediction } = this.#photo;
    if (this.#answered !== prediction) {
      this.#answered = prediction;
      this.#why = why(this.#actions.explain);
      this.#details = null;
    }
    const details = make("details");
    details.open = Boolean(this.#details?.open);
    this.#details = details;
    return answer(this.#photo, this.#actions.judge, details, this.#why);
  }
}

function checked(text) {
  return make("p", "checked", make("strong", "", "Checked"), ` · ${text}`);
}

/** What the model had said of a photo that a person has looked at. */
function compared({ prediction, truth }) {
  const { label, confidence } = prediction;
  const said = label === truth ? "the model agrees" : `the model said ${label}`;
  return `${said}, ${percent(confidence)}`;
}

function answer(photo, judge, details, whyPart) {
  const { prediction, truth } = photo;
  const { needs_review, timings_ms } = prediction;
  const parts = [];
  if (needs_review && !truth) {
    const list = make("ul", "", ...reasons(prediction).map((text) => make("li", "", text)));
    parts.push(make("div", "flag", make("strong", "", "A person should look"), list));
  }
  const time = make("span", "time", milliseconds(timings_ms.total));
  time.title = "From the request's first byte to the answer, in the service";
  const summary = make("summary", "", make("span", "", "All ten, and details"), time);
  const { first, rest } = choices(photo, judge, TOP);
  details.append(summary, rest, ...more(photo));
  const set = make("p", "quiet", likely(prediction));
  set.title = "Holds the right category for 95 % of photos like those that the model was " +
    "calibrated on";
  return [...parts, first, set, details, whyPart];
}

function more({ prediction, roundTrip, sent }) {
  const { garment_probability, background, rotation, timings_ms, request_id } = prediction;
  const facts = [["Background", background], ["There and back", milliseconds(roundTrip)]];
  for (const [phase, value] of Object.entries(timings_ms)) {
    if (value === null) continue; // an explanation that was not asked for
    facts.push([phase[0].toUpperCase() + phase.slice(1), milliseconds(value)]);
  }
  if (rotation) facts.push(["Turned upright by", `${rotation}° clockwise`]);
  if (sent) facts.push(["Too large, so sent as", sent]);
  if (garment_probability !== null) {
    facts.unshift(["One of these garments at all", percent(garment_probability)]);
  }
  return [
    make("dl", "", ...facts.flatMap(([term, value]) =>
      [make("dt", "", term), make("dd", "", value)])),
    make("p", "quiet", `Request ${request_id}`),
  ];
}

function extension(name) {
  const dot = name.lastIndexOf(".");
  return dot > 0 ? name.slice(dot + 1, dot + 6).toUpperCase() : "?";
}
