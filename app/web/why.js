// "Show why": what the model saw, and where in it the evidence for its answer lies.

import { failure, make } from "./parts.js";
import { UNUSABLE } from "./service.js";

/**
 * Closed at first; the explanation is asked for when it is opened.
 * @param {(note: (text: string) => void) => Promise<object>} explain
 */
export function why(explain) {
  const content = make("div", "why");
  content.setAttribute("aria-live", "polite");
  const summary = make("summary", "", "Show why");
  const element = make("details", "", summary, content);
  let asked = false;
  const ask = async () => {
    asked = true;
    if (content.contains(document.activeElement)) summary.focus(); // the button goes
    const pending = make("p", "quiet", "Looking…");
    content.replaceChildren(pending);
    const note = (text) => { pending.textContent = text; };
    const { prediction, problem = UNUSABLE } = await explain(note);
    content.replaceChildren(...(prediction?.explanation ? shown(prediction.explanation)
      : [make("p", "error", problem.title), ...failure(problem, ask)]));
  };
  element.addEventListener("toggle", () => {
    if (element.open && !asked) ask();
  });
  return element;
}

function shown({ label, input, heatmap }) {
  const figures = [figure(input, "What the model saw", "What the model saw")];
  if (heatmap === null) {
    return [...figures, make("p", "quiet", "This model has no map of what speaks for its answer.")];
  }
  figures.push(figure(heatmap, `What speaks for ${label}`,
    `Heatmap over the photo: where the evidence for ${label} lies`));
  const scale = make("p", "scale", make("span", "", "nothing"), make("span", "colours"),
    make("span", "", "most"));
  return [make("div", "figures", ...figures), scale];
}

function figure(address, caption, alternative) {
  const image = make("img");
  image.alt = alternative;
  image.src = address;
  return make("figure", "", image, make("figcaption", "", caption));
}
