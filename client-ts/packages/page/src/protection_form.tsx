/** The choice of how the vault is protected, with what each choice protects against. */

import type { ComponentChildren, RefObject } from "preact";
import { useImperativeHandle, useRef, useState } from "preact/hooks";

import type { SecretInput, VaultInfo } from "../../client/src/generated.js";
import { Button, Checkbox, Failure, Live, Progress, useTask } from "./controls.js";
import type { Model } from "./model.js";
import { SecretField, type SecretInputHandle } from "./secret_field.js";
import { words } from "./words.js";

export type Choice = VaultInfo["choices"][number];

/** What the person chose; the passphrase goes to the host as it is, which seals it. */
export interface Protection {
  protection: Choice["protection"];
  acceptRisk: string | null;
  passphrase: SecretInput | null;
  makeRecoveryCode: boolean;
}

interface Props {
  model: Model;
  choices: readonly Choice[];
  submit: string;
  progress: string;
  withRecoveryCode: boolean;
  onSubmit: (protection: Protection) => Promise<void>;
  onCancel?: () => void;
}

const PASSPHRASE_MIN = 12;
const RISKY = new Set(["keyFile", "memory"]);

export interface ProtectionHandle {
  /** Return what was chosen; null after showing what is missing, with the focus there. */
  take(): Protection | null;
}

interface FieldsProps {
  choices: readonly Choice[];
  withRecoveryCode: boolean;
  handle: RefObject<ProtectionHandle | null>;
}

/** The choices, as a part of a form. */
export function ProtectionFields({ choices, withRecoveryCode, handle }: FieldsProps) {
  const available = choices.filter((choice) => choice.available);
  const best = available[0]?.protection ?? null;
  const [chosen, setChosen] = useState(best);
  const [accepted, setAccepted] = useState(false);
  const [withCode, setWithCode] = useState(false);
  const [problem, setProblem] = useState<"short" | "differ" | "unread" | null>(null);
  const first = useRef<SecretInputHandle>(null);
  const second = useRef<SecretInputHandle>(null);
  const choiceBox = useRef<HTMLFieldSetElement>(null);
  const risky = chosen !== null && RISKY.has(chosen);

  useImperativeHandle(handle, () => ({
    take() {
      if (chosen === null) return null;
      if (risky && !accepted) {
        setProblem("unread");
        choiceBox.current?.querySelector<HTMLElement>("input[type=checkbox]")?.focus();
        return null;
      }
      const passphrase = chosen === "passphrase" ? takePassphrase() : null;
      if (chosen === "passphrase" && passphrase === null) return null;
      return { protection: chosen, acceptRisk: risky ? chosen : null, passphrase, makeRecoveryCode: withCode && chosen !== "memory" };
    },
  }));
  const takePassphrase = (): SecretInput | null => {
    const [text, again] = [first.current?.take() ?? "", second.current?.take() ?? ""];
    const wrong = text.length < PASSPHRASE_MIN ? "short" : text === again ? null : "differ";
    setProblem(wrong);
    if (wrong) first.current?.focus();
    return wrong ? null : { plain: text };
  };

  return (
    <>
      <fieldset class="choices" ref={choiceBox}>
        <legend class="sr-only">{words.vault.changeTitle}</legend>
        {[...available, ...choices.filter((choice) => !choice.available)].map((choice) => (
          <ChoiceCard key={choice.protection} choice={choice} chosen={choice.protection === chosen} best={choice.protection === best}
            onChoose={() => {
              setChosen(choice.protection);
              setAccepted(false);
              setProblem(null);
            }}>
            {choice.protection === "passphrase" && (
              <>
                <SecretField verbatim label={words.vault.newPassphrase} hint={words.vault.passphraseHint} handle={first}
                  error={problem === "short" ? words.vault.tooShort : problem === "differ" ? words.vault.differ : undefined} />
                <SecretField verbatim label={words.vault.repeat} handle={second} />
              </>
            )}
            {risky && <Checkbox label={words.vault.acceptRisk} checked={accepted} onChange={setAccepted} />}
            {problem === "unread" && !accepted && <p class="note bad" role="alert">{words.vault.readFirst}</p>}
          </ChoiceCard>
        ))}
      </fieldset>
      {withRecoveryCode && chosen !== "memory" && (
        <Checkbox label={words.vault.withCode} hint={words.vault.withCodeHint} checked={withCode} onChange={setWithCode} />
      )}
    </>
  );
}

export function ProtectionForm({ model, choices, submit, progress, withRecoveryCode, onSubmit, onCancel }: Props) {
  const handle = useRef<ProtectionHandle>(null);
  const task = useTask();
  const send = (event: Event) => {
    event.preventDefault();
    if (task.running) return;
    const protection = handle.current?.take();
    if (protection) task.run(() => onSubmit(protection));
  };
  return (
    <form class="form" noValidate onSubmit={send}>
      <ProtectionFields choices={choices} withRecoveryCode={withRecoveryCode} handle={handle} />
      <Live>
        {task.running && <Progress text={progress} />}
        {task.error && <Failure data={task.error} model={model} />}
      </Live>
      <p class="actions">
        <Button submit kind="primary" disabled={task.running}>{submit}</Button>
        {onCancel && <Button onClick={onCancel}>{words.cancel}</Button>}
      </p>
    </form>
  );
}

interface CardProps {
  choice: Choice;
  chosen: boolean;
  best: boolean;
  onChoose: () => void;
  /** What a chosen one asks for. */
  children: ComponentChildren;
}

function ChoiceCard({ choice, chosen, best, onChoose, children }: CardProps) {
  const { protection, available, reason } = choice;
  const id = `choice-${protection}`;
  return (
    <div class={`choice${chosen ? " chosen" : ""}${available ? "" : " off"}`}>
      <input type="radio" name="protection" id={id} checked={chosen} disabled={!available} aria-describedby={`${id}-text`} onChange={onChoose} />
      <label for={id}>
        {words.vault.protections[protection] ?? protection}
        {best && <span class="badge good">{words.vault.best}</span>}
        {!available && <span class="badge">{words.vault.missing}</span>}
      </label>
      <div id={`${id}-text`} class="choice-text">
        <p>
          {words.vault.protectionHints[protection]}
          {reason && <strong> {capital(words.vault.reasons[reason] ?? reason)}.</strong>}
        </p>
        <p>
          <span class="quiet">{words.vault.protects}:</span> {choice.protectsAgainst}
        </p>
        <p>
          <span class="quiet">{words.vault.protectsNot}:</span> {choice.doesNotProtectAgainst}
        </p>
      </div>
      {chosen && <div class="choice-fields">{children}</div>}
    </div>
  );
}

const capital = (text: string): string => text.slice(0, 1).toUpperCase() + text.slice(1);
