// Parts that cards are made of.

import { canBeRetried } from "./service.js";

/** What went wrong, with a button where trying again can help. */
export function failure(problem, retry) {
  const { detail, code, status, request_id } = problem;
  const origin = [status && ` · HTTP ${status}`, request_id && ` · request ${request_id}`];
  const parts = [
    make("p", "", detail),
    make("p", "quiet", make("code", "", code), ...origin.filter(Boolean)),
  ];
  if (canBeRetried(problem)) {
    const button = make("button", "", "Try again");
    button.type = "button";
    button.addEventListener("click", retry);
    parts.push(button);
  }
  return parts;
}

/** A file's name, after the quieter folders that tell it from others of the same name. */
export function path(name) {
  const start = name.lastIndexOf("/") + 1;
  if (!start) return [name];
  // The name starts a line of its own if it does not fit behind its folders.
  return [make("span", "folder", name.slice(0, start)), make("wbr"), name.slice(start)];
}

/** An element. Text only ever gets in as text: file names are not to be trusted. */
export function make(tag, className = "", ...children) {
  const element = document.createElement(tag);
  if (className) element.className = className;
  element.append(...children);
  return element;
}
