/** One step of the run: its name as a sentence, and what happens in it. */

import type { Session } from "../harness/session.js";

export type Step = readonly [name: string, run: (session: Session) => Promise<void>];
