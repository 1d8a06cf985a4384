/**
 * The extension in real VS Code, from its package, with the real daemon and simulated providers.
 *
 * One server and two windows serve all steps, because each takes seconds to load; a step may use what an
 * earlier one has done, and says so. With `BYOKD_SCREENS=FOLDER` a picture of each step is written there.
 */

import assert from "node:assert/strict";
import { test } from "node:test";

import { SKIP } from "./harness/places.js";
import { Session } from "./harness/session.js";
import { agentSteps } from "./steps/agent.js";
import { failureSteps } from "./steps/failures.js";
import { findingSteps } from "./steps/finding.js";
import { firstKeySteps } from "./steps/first_key.js";
import { pageSteps } from "./steps/page.js";
import type { Step } from "./steps/step.js";

const STEPS: readonly Step[] = [...firstKeySteps, ...agentSteps, ...failureSteps, ...pageSteps, ...findingSteps];
const STEP_TIMEOUT_MS = 120_000;

test("the extension in VS Code", { skip: SKIP, timeout: 600_000 }, async (t) => {
  const session = await Session.start();
  try {
    for (const [name, step] of STEPS) {
      await t.test(name, { timeout: STEP_TIMEOUT_MS }, async () => {
        try {
          await step(session);
          assert.deepEqual(session.faults(), []);
        } catch (error) {
          await session.screens(`failed ${name}`);
          throw error;
        }
      });
    }
  } finally {
    await session.close();
  }
});
