/** The first key, or one of any provider: how keys are protected, the key itself, and an answer of a model. */

import type { ComponentChildren } from "preact";
import { useEffect, useRef, useState } from "preact/hooks";

import type { KeyInfo, ModelInfo, ProviderInfo } from "../../client/src/generated.js";
import { Button, Failure, Field, Live, Notice, Progress, TextField, useTask } from "./controls.js";
import { Icon } from "./icons.js";
import { KeyForm, type Chooser } from "./key_form.js";
import type { Model, State } from "./model.js";
import { CreateVault, RecoveryCode } from "./vault_view.js";
import { words } from "./words.js";

type Step = 0 | 1 | 2;

export function FirstTime({ model, state }: { model: Model; state: State }) {
  const [changing, setChanging] = useState(false);
  const [code, setCode] = useState<string | null>(null);
  const [stored, setStored] = useState<KeyInfo | null>(null);
  const { vault } = state;
  const protection = vault?.state === "unlocked" ? vault.protection : usual(state);
  const step: Step = stored ? 2 : code === null && protection !== null && !changing ? 1 : 0;
  const isFirst = state.keys.length === 0 || stored !== null;
  const leave = () => {
    model.set({ firstTime: false });
    model.show({ name: "providers", provider: stored?.provider ?? null });
  };
  return (
    <section class="page first" aria-labelledby="first-title">
      <header class="head">
        <h1 id="first-title">{isFirst ? words.first.title : words.keys.add}</h1>
      </header>
      <p class="lead">{words.first.lead}</p>
      <StepBox step={0} now={step} result={protection ? words.vault.protections[protection] : undefined} onAgain={step === 1 && vault?.state === "uninitialized" ? () => setChanging(true) : undefined}>
        {code !== null && <RecoveryCode code={code} onWritten={() => setCode(null)} />}
        {vault?.state === "uninitialized" && <CreateVault model={model} vault={vault} onCode={setCode} onDone={() => setChanging(false)} />}
      </StepBox>
      <StepBox step={1} now={step} result={stored ? model.provider(stored.provider)?.name : undefined}>
        <AnyKey model={model} state={state} onStored={setStored} />
      </StepBox>
      {stored && <Finish model={model} stored={stored} name={model.provider(stored.provider)?.name ?? stored.provider} onLeave={leave} />}
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

/** The protection that the daemon sets up by itself with the first key; null if the person has to choose. */
function usual({ vault }: State): "osKeyring" | null {
  const isThere = vault?.choices.some(({ protection, available }) => protection === "osKeyring" && available);
  return vault?.state === "uninitialized" && isThere ? "osKeyring" : null;
}

interface StepBoxProps {
  step: 0 | 1;
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
        {onAgain && <Button kind="quiet" icon="edit" label={words.keys.actionsOf(words.first.change, result ?? "")} onClick={onAgain} />}
      </h2>
      {open && <div class="step-body">{children}</div>}
    </section>
  );
}

/** The form of a key whose provider is seen by how it begins, or chosen. */
function AnyKey({ model, state, onStored }: { model: Model; state: State; onStored: (key: KeyInfo) => void }) {
  const [id, setId] = useState("");
  const [isSeen, setIsSeen] = useState(false);
  const chosen = model.provider(id);
  const choose = (next: string, seen: boolean) => {
    setId(next);
    setIsSeen(seen);
  };
  const chooser: Chooser = {
    title: chosen ? words.form.addTitle(chosen.name) : words.first.anyTitle,
    isDone: chosen !== undefined,
    onKey: (begins) => {
      const owner = ownerOf(state.providers, begins);
      if (owner) choose(owner.id, true);
      else setIsSeen(false);
    },
    field: (error) => <ProviderChoice state={state} value={id} error={error} hint={isSeen && chosen ? words.first.seen(chosen.name) : undefined} onChange={(next) => choose(next, false)} />,
  };
  return (
    <KeyForm model={model} provider={chosen ?? ANY} replaces={null} hasOthers={model.keysOf(id).length > 0} chooser={chooser} onCancel={null} onDone={(_, { key }) => onStored(key)} />
  );
}

/** Return the provider whose keys begin as this one does. */
function ownerOf(providers: readonly ProviderInfo[], begins: (prefix: string) => boolean): ProviderInfo | undefined {
  const lengthOf = ({ keyPrefixes }: ProviderInfo) => Math.max(0, ...keyPrefixes.filter(begins).map((prefix) => prefix.length));
  const best = Math.max(0, ...providers.map(lengthOf));
  return best > 0 ? providers.find((provider) => lengthOf(provider) === best) : undefined;
}

/** In place of a provider until one is chosen: one key, and nothing else to fill in. */
const ANY: ProviderInfo = {
  ...{ id: "", name: "", kind: "singleField", stage: "stable", dialect: "", dialects: [] },
  ...{ baseUrl: null, baseUrlRequired: false, baseUrlHint: null, baseUrlEnv: [], hosts: [] },
  fields: [{ name: "apiKey", label: words.first.anyKey, secret: true, required: true, pattern: null, hint: words.first.anyKeyHint, env: [], addressOnly: false }],
  ...{ keyless: false, keyUrl: null, keyPrefixHint: null, keyPrefixes: [], docsUrl: null, toolCalling: "", pricing: "" },
  ...{ tags: [], notes: [], chatAvailable: true, layer: "bundled", asOf: "" },
};

interface ChoiceProps {
  state: State;
  value: string;
  hint: string | undefined;
  error: string | undefined;
  onChange: (id: string) => void;
}

function ProviderChoice({ state, value, hint, error, onChange }: ChoiceProps) {
  const groups = ["managed", "singleField", "multiField", "custom"] as const;
  return (
    <Field label={words.first.choose} hint={hint} error={error}>
      {({ id, describedBy, invalid }) => (
        <select id={id} value={value} aria-describedby={describedBy} aria-invalid={invalid} onChange={(event) => onChange(event.currentTarget.value)}>
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
  );
}

/** The first answer: the person's own question to a model of the new key. */
function Finish({ model, stored, name, onLeave }: { model: Model; stored: KeyInfo; name: string; onLeave: () => void }) {
  const [models, setModels] = useState<readonly ModelInfo[]>([]);
  const [chosen, setChosen] = useState("");
  const [prompt, setPrompt] = useState(words.first.prompt);
  const [answer, setAnswer] = useState("");
  const form = useRef<HTMLFormElement>(null);
  const task = useTask();
  useEffect(() => {
    void model.host.request("model/list", { provider: stored.provider, limit: 500 }).then(({ items }) => {
      const usable = items.filter((item) => item.chat !== false && !item.unavailable && !item.deprecated);
      setModels(usable);
      setChosen(cheapest(usable)?.id ?? "");
    }, () => {});
  }, []);
  // Enter asks the question that stands there; what is typed replaces it.
  useEffect(() => form.current?.querySelector<HTMLInputElement>("input")?.select(), [models]);
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
      <h2 id="finish-title">
        <span class="number good" aria-hidden="true"><Icon name="check" /></span>
        {words.first.finishTitle}
      </h2>
      <form class="form step-body" ref={form} onSubmit={ask}>
        <p role="status">{words.first.finish(name)}</p>
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
