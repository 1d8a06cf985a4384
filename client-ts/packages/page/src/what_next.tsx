/** What follows a stored key: the verdict in a sentence, and the next step as a button. */

import { useState } from "preact/hooks";

import type { KeyStoreResult, ProviderInfo } from "../../client/src/generated.js";
import { AskForm } from "./ask_form.js";
import { Button, Notice } from "./controls.js";
import type { Outcome } from "./key_form.js";
import type { Model } from "./model.js";
import { words } from "./words.js";

interface Props {
  model: Model;
  provider: ProviderInfo;
  outcome: Outcome;
  result: KeyStoreResult;
  onLeave: () => void;
}

export function WhatNext({ model, provider, outcome, result, onLeave }: Props) {
  const [asking, setAsking] = useState(false);
  const advice = result.probe ? words.next.advice[result.probe.verdict] : words.next.advice["unreachable"];
  return (
    <div class="next">
      <Notice tone={outcome.tone}>
        <p>{outcome.text}</p>
        {advice && <p>{advice}</p>}
      </Notice>
      {asking ? (
        <AskForm model={model} keyInfo={result.key} leave={{ text: words.close, action: onLeave }} />
      ) : (
        <p class="actions">
          <span>{words.next.title}</span>
          {provider.chatAvailable && <Button kind="primary" onClick={() => setAsking(true)}>{words.next.ask}</Button>}
          <Button onClick={() => document.getElementById("models-title")?.scrollIntoView()}>{words.next.models}</Button>
          <Button kind="quiet" onClick={onLeave}>{words.close}</Button>
        </p>
      )}
    </div>
  );
}
