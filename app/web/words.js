// Numbers and codes in plain words.

/** A probability as percent; never "100.0%" or "0.0%" for what is only near. */
export function percent(probability) {
  if (probability > 0.999 && probability < 1) return "> 99.9%";
  if (probability < 0.001 && probability > 0) return "< 0.1%";
  return `${(probability * 100).toFixed(1)}%`;
}

export function milliseconds(value) {
  return `${value < 10 ? value.toFixed(1) : Math.round(value)} ms`;
}

/** The labels that are likely enough, in a sentence. */
export function likely({ labels }) {
  if (!labels.length) return "No category is likely enough";
  return labels.length > 1 ? `Likely: ${labels.join(", ")}` : `Likely: ${labels[0]} only`;
}

/** Why a person should look, one sentence for each reason. */
export function reasons({ review_reasons, probabilities, labels, garment_probability }) {
  const [first, second] = probabilities;
  const sentences = {
    low_confidence: () => "The model is not sure enough of its answer.",
    ambiguous: () => labels.length > 1 ? "More than one category is likely."
      : `${first.label} and ${second.label} are close.`,
    not_a_garment: () =>
      `May be no garment: ${percent(garment_probability)} that it is one of the ten, ` +
      "too little to be sure.",
    too_small: () => "The picture is very small; details are missing.",
    blank_image: () => "The picture is blank, or nearly so.",
  };
  return review_reasons.map((reason) => sentences[reason]?.() ?? reason);
}
