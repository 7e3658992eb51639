// How fast a training is.

/** Seconds of the past that count. */
const WINDOW = 20;

/** Photos a second, of the last seconds. */
export class Pace {
  /** @type {[seconds: number, photos: number][]} */
  #marks = [];
  #photos = 0;

  /** @param {number} photos that were done since the last call */
  add(photos) {
    const now = performance.now() / 1e3;
    this.#photos += photos;
    this.#marks.push([now, this.#photos]);
    while (this.#marks.length > 2 && now - this.#marks[0][0] > WINDOW) this.#marks.shift();
  }

  /** Photos a second; not a number before there are two marks. */
  get rate() {
    const [[since, before], [until, after]] = [this.#marks[0] ?? [0, 0], this.#marks.at(-1) ?? [0, 0]];
    return until > since ? (after - before) / (until - since) : NaN;
  }
}
