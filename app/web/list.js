// The cards that are in the page: of thousands, as many as somebody has scrolled to. Every card
// there costs time in every frame, seen or not.

const STEP = 100;

export class CardList {
  #list;
  #end;
  #redraw;
  #limit = STEP;
  #observer = new IntersectionObserver(
    (entries) => entries.at(-1).isIntersecting && this.#more(),
    { rootMargin: "1500px" }, // before the end is in sight
  );

  /**
   * @param {HTMLElement} list
   * @param {HTMLElement} end comes after the list
   * @param {() => void} redraw called when there is room for more
   */
  constructor(list, end, redraw) {
    this.#list = list;
    this.#end = end;
    this.#redraw = redraw;
    this.#observer.observe(end);
  }

  /** Begin with the first ones again. */
  restart() {
    this.#limit = STEP;
  }

  /** Have room for the photo at this place. */
  reach(place) {
    while (place >= this.#limit) this.#limit += STEP;
  }

  /**
   * Show these photos; what stays in the list is not touched.
   * @param {object[]} photos in the order of the list
   * @param {(photo: object) => HTMLElement} cardOf makes the card when it is seen first
   * @returns {boolean} whether the focus was on a card that is gone
   */
  draw(photos, cardOf) {
    const focused = document.activeElement.closest(".card");
    const last = focused ? photos.findIndex(({ card }) => card?.element === focused) : -1;
    this.reach(last); // what has the focus stays
    const cards = photos.slice(0, this.#limit).map(cardOf);
    const wanted = new Set(cards);
    const gone = [...this.#list.children].filter((card) => !wanted.has(card));
    const lost = gone.some((card) => card.contains(document.activeElement));
    for (const card of gone) card.remove();
    if (gone.length) this.#stay();
    let place = this.#list.firstElementChild;
    for (const card of cards) {
      if (card === place) place = place.nextElementSibling;
      else this.#list.insertBefore(card, place);
    }
    this.#end.hidden = photos.length <= this.#limit;
    return lost;
  }

  /** The next card comes to where the one was that goes; anchored, the page would follow it. */
  #stay() {
    this.#list.style.overflowAnchor = "none";
    requestAnimationFrame(() => requestAnimationFrame(() => {
      this.#list.style.overflowAnchor = "";
    }));
  }

  #more() {
    this.#limit += STEP;
    this.#redraw();
    // It tells of changes only, and the end may be in sight still.
    this.#observer.unobserve(this.#end);
    this.#observer.observe(this.#end);
  }
}
