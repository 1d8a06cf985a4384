/** No key yet: paste one, and ask a first question. All in one view. */

import { useEffect, useRef, useState } from "preact/hooks";

import type { KeyStoreResult, ProviderInfo } from "../../client/src/generated.js";
import { AskForm } from "./ask_form.js";
import { Button, Field, Notice } from "./controls.js";
import { Icon } from "./icons.js";
import { KeyForm, type Outcome } from "./key_form.js";
import type { Model, State } from "./model.js";
import { ProtectionFields, type ProtectionHandle } from "./protection_form.js";
import { candidates } from "./recognise.js";
import { SecretField, type SecretInputHandle } from "./secret_field.js";
import { createVault, RecoveryCode } from "./vault_view.js";
import { words } from "./words.js";

export function FirstTime({ model, state }: { model: Model; state: State }) {
  const [code, setCode] = useState<string | null>(null);
  const [stored, setStored] = useState<{ outcome: Outcome; result: KeyStoreResult } | null>(null);
  // A host opens this view, too, to add a key of any provider.
  const isFirst = state.keys.length === 0;
  const leave = () => model.show({ name: "providers", provider: stored?.result.key.provider ?? null });
  return (
    <section class="page first" aria-labelledby="first-title">
      <header class="head">
        <h1 id="first-title">{stored ? words.first.storedTitle : isFirst ? words.first.title : words.keys.add}</h1>
      </header>
      <p class="lead">{stored ? words.first.storedLead : words.first.lead}</p>
      {code !== null && <RecoveryCode code={code} onWritten={() => setCode(null)} />}
      {stored ? (
        <Finish model={model} outcome={stored.outcome} result={stored.result} onLeave={leave} />
      ) : (
        <>
          <FirstKey model={model} state={state} onCode={setCode} onDone={(outcome, result) => setStored({ outcome, result })} />
          <p class="actions">
            <Button kind="quiet" icon="import" onClick={() => model.show({ name: "import" })}>{words.importer.title}</Button>
            <Button kind="quiet" onClick={leave}>{words.first.skip}</Button>
          </p>
        </>
      )}
    </section>
  );
}

interface FirstKeyProps {
  model: Model;
  state: State;
  onCode: (code: string) => void;
  onDone: (outcome: Outcome, result: KeyStoreResult) => void;
}

function FirstKey({ model, state, onCode, onDone }: FirstKeyProps) {
  const [fitting, setFitting] = useState<readonly ProviderInfo[]>([]);
  const [chosen, setChosen] = useState<string | null>(null);
  const [choosing, setChoosing] = useState(false);
  const field = useRef<SecretInputHandle>(null);
  const protection = useRef<ProtectionHandle>(null);

  const only = fitting.length === 1 ? fitting[0] : undefined;
  const provider = model.provider(chosen ?? "") ?? only ?? null;
  const safe = state.vault?.choices[0]?.protection === "osKeyring" && state.vault.choices[0].available;
  const needsVault = state.vault?.state === "uninitialized";
  const asksProtection = needsVault && (choosing || !safe);

  const recognise = (text: string) => {
    const matches = candidates(state.providers, text);
    if (matches.map((item) => item.id).join() !== fitting.map((item) => item.id).join()) {
      setFitting(matches);
      setChosen(null);
    }
  };
  const prepare = async (): Promise<boolean> => {
    if (!asksProtection) return true; // the first key makes the vault, under the keyring
    const choice = protection.current?.take();
    if (!choice) return false;
    await createVault(model, choice, onCode);
    return true;
  };
  const keyLabel = provider?.fields.find((item) => item.secret)?.label ?? words.first.keyLabel;
  const lead = (
    <>
      <div data-field="lead">
        <SecretField label={keyLabel} hint={words.first.keyHint} handle={field} onText={recognise} />
      </div>
      <div data-field="provider">
        <ProviderChoice state={state} fitting={fitting} chosen={provider?.id ?? ""} onChoose={setChosen} />
      </div>
    </>
  );
  return (
    <KeyForm model={model} provider={provider} replaces={null} hasOthers={false} onCancel={null} onDone={onDone} title={words.first.formTitle} lead={{ field, content: lead }} prepare={prepare}>
      {needsVault && (asksProtection ? (
        <div class="protection">
          <h3>{words.first.protectTitle}</h3>
          <p class="note">{safe ? words.first.protectHint : words.first.noKeyring}</p>
          <ProtectionFields choices={state.vault?.choices ?? []} withRecoveryCode handle={protection} />
        </div>
      ) : (
        <p class="note protected">
          <Icon name="lock" />
          <span>{words.first.protected}</span>
          <Button kind="quiet" onClick={() => setChoosing(true)}>{words.first.otherProtection}</Button>
        </p>
      ))}
    </KeyForm>
  );
}

interface ChoiceProps {
  state: State;
  /** The providers whose keys begin like the pasted one. */
  fitting: readonly ProviderInfo[];
  chosen: string;
  onChoose: (id: string) => void;
}

/** Says which provider the key is of, offers those that it may be of, or all. */
function ProviderChoice({ state, fitting, chosen, onChoose }: ChoiceProps) {
  const groups = ["managed", "singleField", "multiField", "custom"] as const;
  const [only] = fitting;
  const hint = fitting.length === 1 && only ? words.first.looksLike(only.name) : fitting.length > 1 ? words.first.severalFit : undefined;
  const rest = (kind: (typeof groups)[number]) => state.providers.filter((item) => item.kind === kind && !fitting.includes(item));
  const options = (items: readonly ProviderInfo[]) => items.map((item) => <option key={item.id} value={item.id}>{item.name}</option>);
  return (
    <>
      <Field label={words.first.choose} hint={<span role="status">{hint}</span>}>
        {({ id, describedBy }) => (
          <select id={id} value={chosen} aria-describedby={describedBy} onChange={(event) => onChoose(event.currentTarget.value)}>
            <option value="" disabled>{words.first.pick}</option>
            {fitting.length > 0 && <optgroup label={words.first.fitting}>{options(fitting)}</optgroup>}
            {groups.map((kind) => (
              <optgroup key={kind} label={words.list[kind]}>{options(rest(kind))}</optgroup>
            ))}
          </select>
        )}
      </Field>
      {fitting.length > 1 && (
        <p class="actions" role="group" aria-label={words.first.fitting}>
          {fitting.map((item) => (
            <Button key={item.id} kind={item.id === chosen ? "primary" : "plain"} pressed={item.id === chosen} onClick={() => onChoose(item.id)}>{item.name}</Button>
          ))}
        </p>
      )}
    </>
  );
}

interface FinishProps {
  model: Model;
  outcome: Outcome;
  result: KeyStoreResult;
  onLeave: () => void;
}

/** The verdict, and the first question to a model of the new key. */
function Finish({ model, outcome, result, onLeave }: FinishProps) {
  const heading = useRef<HTMLHeadingElement>(null);
  useEffect(() => heading.current?.focus(), []);
  const advice = result.probe ? words.next.advice[result.probe.verdict] : words.next.advice["unreachable"];
  return (
    <div class="form finish">
      <Notice tone={outcome.tone}>
        <p>{outcome.text}</p>
        {advice && <p>{advice}</p>}
      </Notice>
      <h2 ref={heading} tabIndex={-1}>{words.first.askTitle}</h2>
      <AskForm model={model} keyInfo={result.key} leave={{ text: words.first.toProviders, action: onLeave }} />
      <p class="note">{words.first.editors}</p>
    </div>
  );
}
