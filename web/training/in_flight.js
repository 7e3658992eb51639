// Runs that a device has not finished yet: never more than a few, so that a pause takes effect soon and progress is
// what is done.

/** @typedef {import("../player.js").Player} Player */

/** While the device computes one run, the next ones wait behind it. */
const MOST = 3;

/** The runs of a player that are in flight. */
export class InFlight {
  /** @type {{ finished: Promise<void>, done: () => void }[]} */
  #runs = [];

  /** @param {Player} player */
  constructor(player) {
    this.player = player;
  }

  /**
   * Counts the run that was submitted last, and waits until there are few enough.
   *
   * @param {() => void} done called when this run is finished
   */
  async add(done) {
    const finished = this.player.wait();
    // Whoever waits for it is told of its failure.
    finished.catch(() => {});
    this.#runs.push({ finished, done });
    while (this.#runs.length > MOST) await this.#finishFirst();
  }

  /** Waits for all of them. */
  async drain() {
    while (this.#runs.length > 0) await this.#finishFirst();
  }

  async #finishFirst() {
    const run = this.#runs.shift();
    await run?.finished;
    run?.done();
  }
}
