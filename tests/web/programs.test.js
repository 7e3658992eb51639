// A step of every built-in model in Chromium: a browser takes WGSL by the letter, where wgpu is lenient, and grants no more
// than the default limits. It is asked whether it takes shaders, pipelines, bindings and dispatches; what they compute,
// pages.test.js and tests/dawn.sh compare.
//
//   NODE_PACKAGES=FOLDER [FACESHADER=PROGRAM] node --test tests/web/programs.test.js

import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { after, before, describe, test } from "node:test";
import { fileURLToPath } from "node:url";
import { openBrowser, openPage } from "./chromium.js";

const root = fileURLToPath(new URL("../..", import.meta.url));
const program = resolve(process.env.FACESHADER ?? join(root, "target/release/faceshader"));
const MODELS = ["face", "face-plus", "review", "review-plus"];
const PURPOSES = ["training", "evaluation", "prediction"];

describe("programs of built-in models run in a browser", () => {
  const folder = mkdtempSync(join(tmpdir(), "faceshader-programs-"));
  const faceshader = (...command) => execFileSync(program, command, { cwd: folder, stdio: "pipe" });
  let browser;
  let page;

  before(async () => {
    browser = await openBrowser();
    // Any page has the player among its modules.
    faceshader("export", "page", "--train", join(root, "tests/assets/tiny.toml"), "--out", "page.html");
    page = await openPage(browser, join(folder, "page.html"));
  });

  after(async () => {
    await browser?.close();
    rmSync(folder, { recursive: true, force: true });
  });

  for (const model of MODELS) {
    test(model, async () => {
      faceshader("export", "program", "--model", model, "--batch", "2", "--out", model);
      const text = (path) => readFileSync(join(folder, model, path), "utf8");
      const programs = PURPOSES.map((purpose) => JSON.parse(text(`${purpose}.json`)));
      const paths = new Set(programs.flatMap(({ pipelines }) => pipelines.map(({ wgsl }) => wgsl)));
      const shaders = Object.fromEntries([...paths].map((path) => [path, text(path)]));
      const dispatches = await page.evaluate(
        async (all, sources) => {
          const { Player } = await import("faceshader/player.js");
          const adapter = await navigator.gpu.requestAdapter();
          const device = await adapter.requestDevice();
          const player = new Player(device);
          let done = 0;
          for (const one of all) {
            const prepared = await player.prepare(one, async (path) => sources[path]);
            player.run(prepared);
            await player.wait();
            done += prepared.dispatches.length;
          }
          device.destroy();
          return done;
        },
        programs,
        shaders,
      );
      assert.equal(
        dispatches,
        programs.reduce((sum, one) => sum + one.dispatches.length, 0),
      );
      assert.ok(dispatches > 10);
    });
  }
});
