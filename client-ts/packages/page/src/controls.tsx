/** The controls that all views share. */

import type { ComponentChildren, RefObject } from "preact";
import { useCallback, useEffect, useId, useLayoutEffect, useRef, useState } from "preact/hooks";

import type { AcceptOriginAction, ErrorData } from "../../client/src/generated.js";
import { safeUrl, sentence } from "./format.js";
import { HostError } from "./host.js";
import { Icon, type IconName } from "./icons.js";
import type { Model } from "./model.js";
import { words } from "./words.js";

interface ButtonProps {
  onClick?: (() => void) | undefined;
  children?: ComponentChildren;
  icon?: IconName;
  kind?: "primary" | "plain" | "danger" | "quiet";
  disabled?: boolean | undefined;
  submit?: boolean;
  label?: string | undefined;
  title?: string | undefined;
  buttonRef?: RefObject<HTMLButtonElement | null>;
  expanded?: boolean;
  pressed?: boolean;
}

/** A button that is disabled stays in the tab order, so that focus is not lost while something runs. */
export function Button({ onClick, children, icon, kind = "plain", disabled, submit, label, title, buttonRef, expanded, pressed }: ButtonProps) {
  return (
    <button
      ref={buttonRef ?? null}
      type={submit ? "submit" : "button"}
      class={`button ${kind}`}
      aria-disabled={disabled ? "true" : undefined}
      aria-label={label}
      aria-expanded={expanded}
      aria-pressed={pressed}
      title={title ?? (children ? undefined : label)}
      onClick={(event) => {
        if (disabled) event.preventDefault();
        else onClick?.();
      }}
    >
      {icon && <Icon name={icon} />}
      {children}
    </button>
  );
}

/** A link out of the page; shown as text if its address is not safe to follow. */
export function OutLink({ url, children }: { url: string | null; children: ComponentChildren }) {
  const href = safeUrl(url);
  if (!href) return null;
  return (
    <a href={href} target="_blank" rel="noopener noreferrer">
      {children}
      <Icon name="link" />
      <span class="sr-only"> {words.provider.newTab}</span>
    </a>
  );
}

interface FieldProps {
  label: string;
  hint?: ComponentChildren;
  error?: string | undefined;
  optional?: boolean;
  children: (ids: { id: string; describedBy: string | undefined; invalid: boolean }) => ComponentChildren;
}

/** A label, its control, and a hint or an error under it. */
export function Field({ label, hint, error, optional, children }: FieldProps) {
  const id = useId();
  const note = error ?? hint;
  return (
    <div class="field">
      <label for={id}>
        {label}
        {optional && <span class="quiet"> ({words.optional})</span>}
      </label>
      {children({ id, describedBy: note ? `${id}-note` : undefined, invalid: error !== undefined })}
      {note && (
        <p id={`${id}-note`} class={error ? "note bad" : "note"}>
          {note}
        </p>
      )}
    </div>
  );
}

interface TextFieldProps {
  label: string;
  value: string;
  onInput: (value: string) => void;
  hint?: ComponentChildren;
  error?: string | undefined;
  optional?: boolean;
  placeholder?: string | undefined;
  inputRef?: RefObject<HTMLInputElement | null>;
}

export function TextField({ label, value, onInput, hint, error, optional = false, placeholder, inputRef }: TextFieldProps) {
  return (
    <Field label={label} hint={hint} error={error} optional={optional}>
      {({ id, describedBy, invalid }) => (
        <input
          ref={inputRef ?? null}
          id={id}
          type="text"
          value={value}
          placeholder={placeholder}
          aria-describedby={describedBy}
          aria-invalid={invalid}
          autocomplete="off"
          spellcheck={false}
          onInput={(event) => onInput(event.currentTarget.value)}
        />
      )}
    </Field>
  );
}

export function Checkbox({ label, checked, onChange, hint }: { label: string; checked: boolean; onChange: (checked: boolean) => void; hint?: string }) {
  const id = useId();
  return (
    <div class="checkbox">
      <input
        id={id}
        type="checkbox"
        checked={checked}
        aria-describedby={hint ? `${id}-note` : undefined}
        onChange={(event) => onChange(event.currentTarget.checked)}
      />
      <label for={id}>{label}</label>
      {hint && <p id={`${id}-note`} class="note">{hint}</p>}
    </div>
  );
}

export type Tone = "info" | "good" | "warn" | "bad";
const TONE_ICONS: Record<Tone, IconName> = { info: "info", good: "check", warn: "warning", bad: "error" };

export function Notice({ tone, children }: { tone: Tone; children: ComponentChildren }) {
  return (
    <div class={`notice ${tone}`}>
      <Icon name={TONE_ICONS[tone]} />
      <div>{children}</div>
    </div>
  );
}

/** A part that screen readers announce when its content changes. It is there before the content is. */
export function Live({ children }: { children?: ComponentChildren }) {
  return (
    <div class="live" role="status">
      {children}
    </div>
  );
}

export function Progress({ text }: { text: string }) {
  return (
    <div class="progress">
      <div class="bar" aria-hidden="true" />
      <p>{text}</p>
    </div>
  );
}

/** An error of the daemon: its sentence, the provider's own words, and what to do. */
export function Failure({ data, model, prefix }: { data: ErrorData; model: Model; prefix?: string }) {
  const action = data.action;
  const label = action ? words.errors.actions[action.type] : undefined;
  const leads = model.state.view.name !== "vault" && action && label && ["unlockVault", "initializeVault", "restoreBackup"].includes(action.type);
  return (
    <Notice tone="bad">
      <p>
        {prefix && `${prefix} `}
        {sentence(data.userMessage)}
      </p>
      {data.providerMessage && <p class="quiet">{words.form.theySay(data.providerMessage)}</p>}
      {action && isAcceptOrigin(action) && <AcceptOrigin action={action} model={model} />}
      {(leads || action?.url) && (
        <p class="actions">
          {leads && <Button onClick={() => model.show({ name: "vault" })}>{label}</Button>}
          {action?.url && <OutLink url={action.url}>{label ?? words.errors.actions["openUrl"]}</OutLink>}
        </p>
      )}
    </Notice>
  );
}

const isAcceptOrigin = (action: NonNullable<ErrorData["action"]>): action is AcceptOriginAction =>
  action.type === "acceptOrigin" && "keyId" in action && "from" in action;

/** The daemon asks its question, which the page shows; the key moves only with its answer. */
function AcceptOrigin({ action, model }: { action: AcceptOriginAction; model: Model }) {
  const task = useTask();
  const ask = () =>
    task.run(async () => {
      await model.host.request("key/acceptOrigin", { keyId: action.keyId, from: action.from, to: action.to });
      await model.loadKeys();
    });
  return (
    <p class="actions">
      <Button disabled={task.running} onClick={ask}>{words.errors.actions["acceptOrigin"]}</Button>
      {task.error && <span class="quiet">{sentence(task.error.userMessage)}</span>}
    </p>
  );
}

interface ConfirmProps {
  title: string;
  children: ComponentChildren;
  action: string;
  onConfirm: () => void;
  onCancel: () => void;
}

/** A question in place. Focus is on the harmless answer. */
export function Confirm({ title, children, action, onConfirm, onCancel }: ConfirmProps) {
  const cancel = useRef<HTMLButtonElement>(null);
  const id = useId();
  useLayoutEffect(() => cancel.current?.focus(), []);
  return (
    <div class="confirm" role="alertdialog" aria-labelledby={`${id}-title`} aria-describedby={`${id}-text`} onKeyDown={onEscape(onCancel)}>
      <h3 id={`${id}-title`}>{title}</h3>
      <div id={`${id}-text`}>{children}</div>
      <p class="actions">
        <Button buttonRef={cancel} onClick={onCancel}>{words.cancel}</Button>
        <Button kind="danger" onClick={onConfirm}>{action}</Button>
      </p>
    </div>
  );
}

export const onEscape = (action: () => void) => (event: KeyboardEvent) => {
  if (event.key !== "Escape") return;
  event.stopPropagation();
  action();
};

export interface Task {
  running: boolean;
  error: ErrorData | null;
  /** Run an action; one at a time. */
  run: (action: () => Promise<void>) => void;
  clear: () => void;
}

/** Runs the actions of one part of the page, and holds the error of the last one. */
export function useTask(): Task {
  const [state, setState] = useState<{ running: boolean; error: ErrorData | null }>({ running: false, error: null });
  const mounted = useRef(true);
  const busy = useRef(false);
  useEffect(() => () => void (mounted.current = false), []);
  const run = useCallback((action: () => Promise<void>) => {
    if (busy.current) return;
    busy.current = true;
    setState({ running: true, error: null });
    const finish = (error: ErrorData | null) => {
      busy.current = false;
      if (mounted.current) setState({ running: false, error });
    };
    action().then(
      () => finish(null),
      (error: unknown) => {
        finish(error instanceof HostError ? error.data : null);
        if (!(error instanceof HostError)) throw error;
      },
    );
  }, []);
  const clear = useCallback(() => setState({ running: false, error: null }), []);
  return { ...state, run, clear };
}

/** Render again when the model changes. */
export function useModel(model: Model) {
  const [, setVersion] = useState(0);
  useEffect(() => {
    const again = () => setVersion((version) => version + 1);
    again(); // what changed since the first rendering
    return model.subscribe(again);
  }, [model]);
  return model.state;
}
