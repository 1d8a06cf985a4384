/** No vault and no key: three steps in one view, which end with an answer of a model. */

import type { ComponentChildren } from "preact";
import { useEffect, useRef, useState } from "preact/hooks";

import type { KeyInfo, ModelInfo } from "../../client/src/generated.js";
import { Button, Failure, Field, Live, Notice, Progress, TextField, useTask } from "./controls.js";
import { Icon } from "./icons.js";
import { KeyForm } from "./key_form.js";
import type { Model, State } from "./model.js";
import { CreateVault, RecoveryCode } from "./vault_view.js";
import { words } from "./words.js";

type Step = 0 | 1 | 2 | 3;

export function FirstTime({ model, state }: { model: Model; state: State }) {
  const [provider, setProvider] = useState("");
  const [chosen, setChosen] = useState(false);
  const [code, setCode] = useState<string | null>(null);
  const [stored, setStored] = useState<KeyInfo | null>(null);
  const hasVault = state.vault?.state === "unlocked" && code === null;
  const step: Step = stored ? 3 : !hasVault ? 0 : !chosen ? 1 : 2;
  const info = model.provider(provider);
  const leave = () => {
    model.set({ firstTime: false });
    model.show({ name: "providers", provider: stored?.provider ?? null });
  };
  return (
    <section class="page first" aria-labelledby="first-title">
      <header class="head">
        <h1 id="first-title">{words.first.title}</h1>
      </header>
      <p class="lead">{words.first.lead}</p>
      <StepBox step={0} now={step}>
        {code !== null && <RecoveryCode code={code} onWritten={() => setCode(null)} />}
        {state.vault?.state === "uninitialized" && <CreateVault model={model} vault={state.vault} onCode={setCode} />}
      </StepBox>
      <StepBox step={1} now={step} result={chosen ? info?.name : undefined} onAgain={step === 2 ? () => setChosen(false) : undefined}>
        <ProviderChoice state={state} value={provider} onChange={setProvider} onNext={() => setChosen(provider !== "")} />
      </StepBox>
      <StepBox step={2} now={step}>
        {info && <KeyForm key={info.id} model={model} provider={info} replaces={null} hasOthers={false} onCancel={null} onDone={(_, { key }) => setStored(key)} />}
      </StepBox>
      {stored && <Finish model={model} stored={stored} name={info?.name ?? stored.provider} onLeave={leave} />}
      {!stored && (
        <p class="actions">
          <Button kind="quiet" onClick={leave}>{words.first.skip}</Button>
          <Button kind="quiet" icon="import" onClick={() => {
            model.set({ firstTime: false });
            model.show({ name: "import" });
          }}>{words.importer.title}</Button>
        </p>
      )}
    </section>
  );
}

interface StepBoxProps {
  step: 0 | 1 | 2;
  now: Step;
  result?: string | undefined;
  onAgain?: (() => void) | undefined;
  children: ComponentChildren;
}

function StepBox({ step, now, result, onAgain, children }: StepBoxProps) {
  const box = useRef<HTMLElement>(null);
  const open = step === now;
  const before = useRef(open);
  useEffect(() => {
    // A step that opens takes the focus along.
    if (open && !before.current) box.current?.querySelector<HTMLElement>("input:not([disabled]), select, button")?.focus();
    before.current = open;
  }, [open]);
  const done = step < now;
  return (
    <section ref={box} class={`step ${open ? "open" : done ? "done" : "later"}`} aria-current={open ? "step" : undefined}>
      <h2>
        <span class="number" aria-hidden="true">{done ? <Icon name="check" /> : step + 1}</span>
        <span class="sr-only">{words.first.stepOf(step + 1)}: </span>
        {words.first.steps[step]}
        {done && <span class="sr-only"> ({words.first.done})</span>}
        {result && <span class="quiet">{result}</span>}
        {onAgain && <Button kind="quiet" icon="edit" label={words.keys.actionsOf(words.first.choose, result ?? "")} onClick={onAgain} />}
      </h2>
      {open && <div class="step-body">{children}</div>}
    </section>
  );
}

function ProviderChoice({ state, value, onChange, onNext }: { state: State; value: string; onChange: (id: string) => void; onNext: () => void }) {
  const groups = ["managed", "singleField", "multiField", "custom"] as const;
  const next = (event: Event) => {
    event.preventDefault();
    if (value) onNext();
  };
  return (
    <form class="form" onSubmit={next}>
      <Field label={words.first.choose}>
        {({ id }) => (
          <select id={id} value={value} onChange={(event) => onChange(event.currentTarget.value)}>
            <option value="" disabled>{words.list.welcome}</option>
            {groups.map((kind) => (
              <optgroup key={kind} label={words.list[kind]}>
                {state.providers.filter((item) => item.kind === kind).map((item) => (
                  <option key={item.id} value={item.id}>{item.name}</option>
                ))}
              </optgroup>
            ))}
          </select>
        )}
      </Field>
      <p class="actions">
        <Button submit kind="primary" disabled={!value}>{words.first.next}</Button>
      </p>
    </form>
  );
}

/** The first answer: the person's own question to a model of the new key. */
function Finish({ model, stored, name, onLeave }: { model: Model; stored: KeyInfo; name: string; onLeave: () => void }) {
  const [models, setModels] = useState<readonly ModelInfo[]>([]);
  const [chosen, setChosen] = useState("");
  const [prompt, setPrompt] = useState(words.first.prompt);
  const [answer, setAnswer] = useState("");
  const heading = useRef<HTMLHeadingElement>(null);
  const task = useTask();
  useEffect(() => {
    heading.current?.focus();
    void model.host.request("model/list", { provider: stored.provider, limit: 500 }).then(({ items }) => {
      const usable = items.filter((item) => item.chat !== false && !item.unavailable && !item.deprecated);
      setModels(usable);
      setChosen(cheapest(usable)?.id ?? "");
    }, () => {});
  }, []);
  const ask = (event: Event) => {
    event.preventDefault();
    if (task.running || !chosen) return;
    if (model.state.opensChat) return model.host.openChat({ provider: stored.provider, keyId: stored.keyId, model: chosen, prompt });
    setAnswer("");
    const streamId = `first-${Date.now()}`;
    const stop = model.host.listen((message) => {
      if (message.type !== "notification" || message.method !== "chat/events") return;
      const params = message.params as { streamId: string; events: readonly { type: string; delta?: string }[] };
      if (params.streamId !== streamId) return;
      const text = params.events.map((item) => (item.type === "textDelta" ? (item.delta ?? "") : "")).join("");
      if (text) setAnswer((before) => before + text);
    });
    task.run(async () => {
      try {
        await model.host.request("chat/send", {
          streamId,
          provider: stored.provider,
          keyId: stored.keyId,
          model: chosen,
          messages: [{ role: "user", content: prompt }],
          maxOutputTokens: 500,
        });
      } finally {
        stop();
      }
    });
  };
  return (
    <section class="step open finish" aria-labelledby="finish-title">
      <h2 id="finish-title" ref={heading} tabIndex={-1}>
        <span class="number good" aria-hidden="true"><Icon name="check" /></span>
        {words.first.finishTitle}
      </h2>
      <form class="form step-body" onSubmit={ask}>
        <p>{words.first.finish(name)}</p>
        {models.length > 0 && (
          <>
            <Field label={words.first.model}>
              {({ id }) => (
                <select id={id} value={chosen} onChange={(event) => setChosen(event.currentTarget.value)}>
                  {models.map((item) => (
                    <option key={item.id} value={item.id}>{item.name ?? item.id}</option>
                  ))}
                </select>
              )}
            </Field>
            <TextField label={words.first.promptLabel} value={prompt} onInput={setPrompt} hint={words.first.cost} />
          </>
        )}
        <Live>
          {task.running && !answer && <Progress text={words.models.testing} />}
          {task.error && <Failure data={task.error} model={model} />}
          {answer && (
            <Notice tone="good">
              <p class="answer">{answer}</p>
            </Notice>
          )}
        </Live>
        <p class="note">{words.first.editors}</p>
        <p class="actions">
          {models.length > 0 && <Button submit kind={answer ? "plain" : "primary"} disabled={task.running}>{words.first.ask}</Button>}
          <Button kind={answer ? "primary" : "plain"} onClick={onLeave}>{words.first.toProviders}</Button>
        </p>
      </form>
    </section>
  );
}

/** The model with the lowest known price; without prices, the first one. */
function cheapest(models: readonly ModelInfo[]): ModelInfo | undefined {
  const amount = (item: ModelInfo) => (item.price?.output ? Number(item.price.output) : Number.POSITIVE_INFINITY);
  return models.reduce<ModelInfo | undefined>((best, item) => (best && amount(best) <= amount(item) ? best : item), undefined);
}
