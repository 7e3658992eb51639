// The table of the benchmark, as Markdown.

/** @param {number[]} values */
function median(values) {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2;
}

/** Three digits that count. */
const significant = (value) => (value < 100 ? value.toPrecision(3) : value.toFixed(0));

/**
 * @param {object[]} rows of `bench.mjs`; seconds of each have one value a round
 * @param {{ machine: object, chromium: string, commit: string, batch: number }} run
 */
export function report(rows, { machine, chromium, commit, batch }) {
  const { cpu, cores, memory, load } = machine;
  const version = rows.find((row) => row.version)?.version;
  const command = ["node benches/peers/tfjs/bench.mjs", ...process.argv.slice(2)].join(" ");
  const today = new Date().toLocaleDateString("en-GB", { day: "numeric", month: "long", year: "numeric" });
  const own = rows.find(({ failed }) => !failed);
  const lines = [
    `On ${today}, by \`${command}\`, on ${cpu}, ${cores} cores, ${Math.round(memory / 2 ** 30)} GiB, ` +
      `${process.platform} (load before it began: ${load.toFixed(1)}). faceshader at ${commit}; ${chromium}, TensorFlow.js ${version ?? "-"}. ` +
      `Medians of steps of ${batch} photos, in turns.`,
    "",
    `| program | adapter | training, photos a second | of ${own?.title ?? "the first"} | steps | loss at first | at last |`,
    "| --- | --- | ---: | ---: | ---: | ---: | ---: |",
  ];
  for (const row of [...rows].sort((a, b) => speed(b, batch) - speed(a, batch))) {
    const adapter = (row.adapter ?? "").replaceAll("|", "\\|");
    const title = row.loop && row.loops.length > 1 ? `${row.title} (\`${row.loop}\`)` : row.title;
    const quotient = median(row.seconds.map((seconds, round) => own?.seconds[round] / seconds));
    const cells = row.failed
      ? [row.failed.replaceAll("|", "\\|").slice(0, 160), "", "", "", ""]
      : [
          significant(speed(row, batch)),
          quotient.toPrecision(2),
          row.seconds.length,
          row.before.toFixed(2),
          row.after.toFixed(2),
        ];
    lines.push(`| ${[title, adapter, ...cells].join(" | ")} |`);
  }
  return lines.join("\n");
}

/** Photos a second; 0 of what failed. */
const speed = ({ failed, seconds }, batch) => (failed ? 0 : batch / median(seconds));
