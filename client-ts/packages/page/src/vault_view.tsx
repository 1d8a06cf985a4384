/** The vault: what protects it, unlocking, changing the protection, recovery, backups. */

import { useEffect, useRef, useState } from "preact/hooks";

import type { BackupInfo, SlotInfo, VaultInfo } from "../../client/src/generated.js";
import { Button, Confirm, Failure, Live, Notice, Progress, useTask, type Task } from "./controls.js";
import { ago, exactTime, moment, sentence } from "./format.js";
import type { Model, State } from "./model.js";
import { ProtectionForm, type Choice, type Protection as Chosen } from "./protection_form.js";
import { Fact } from "./provider_view.js";
import { SecretField, type SecretInputHandle } from "./secret_field.js";
import { words } from "./words.js";

type Open = "protection" | "code" | "renew" | { remove: SlotInfo } | { restore: BackupInfo } | null;

export function VaultView({ model, state }: { model: Model; state: State }) {
  const { vault, backups } = state;
  const [code, setCode] = useState<string | null>(null);
  useEffect(() => void model.loadVault(), []);
  const heading = useRef<HTMLHeadingElement>(null);
  useEffect(() => {
    // The form that created, unlocked or locked the vault is gone, and the focus with it.
    if (document.activeElement === document.body) heading.current?.focus();
  }, [vault?.state]);
  if (!vault) return null;
  return (
    <section class="page" aria-labelledby="vault-title">
      <header class="head">
        <h1 id="vault-title" ref={heading} tabIndex={-1}>{words.vault.title}</h1>
        <span class={`state ${vault.state === "unlocked" ? "good" : "warn"}`}>
          <span class="dot" aria-hidden="true" />
          {words.vault.states[vault.state] ?? vault.state}
        </span>
      </header>
      <p class="lead">{words.vault.lead}</p>
      {code !== null && <RecoveryCode code={code} onWritten={() => setCode(null)} />}
      {vault.state === "uninitialized" ? (
        <CreateVault model={model} vault={vault} onCode={setCode} />
      ) : (
        <>
          {(vault.state === "locked" || vault.state === "unavailable") && <Unlock model={model} vault={vault} />}
          {vault.state === "unlocked" && vault.hint && <MissingAnchor model={model} vault={vault} />}
          <Protection vault={vault} />
          {vault.state === "unlocked" && <Changes model={model} vault={vault} onCode={setCode} />}
          <Backups model={model} backups={backups} />
        </>
      )}
    </section>
  );
}

/** Create the vault; `onCode` gets the recovery code, which is shown once. */
export async function createVault(model: Model, protection: Chosen, onCode: (code: string) => void): Promise<void> {
  const result = await model.host.request("vault/initialize", protection as never);
  if (result.recoveryCode !== null) onCode(result.recoveryCode as unknown as string);
  await model.loadVault();
  await model.loadKeys();
}

function CreateVault({ model, vault, onCode }: { model: Model; vault: VaultInfo; onCode: (code: string) => void }) {
  return (
    <ProtectionForm
      model={model}
      choices={vault.choices}
      submit={words.vault.create}
      progress={words.vault.creating}
      withRecoveryCode
      onSubmit={(protection) => createVault(model, protection, onCode)}
    />
  );
}

/** Shown once; it leaves the document with the button. */
export function RecoveryCode({ code, onWritten }: { code: string; onWritten: () => void }) {
  const [copied, setCopied] = useState(false);
  return (
    <Notice tone="warn">
      <p>{words.vault.codeMade}</p>
      <p class="recovery-code">{code}</p>
      <p>{words.vault.codeHint}</p>
      <p class="actions">
        <Button onClick={() => void navigator.clipboard.writeText(code).then(() => setCopied(true))}>{copied ? words.copied : words.copy}</Button>
        <Button kind="primary" onClick={onWritten}>{words.vault.codeWritten}</Button>
      </p>
    </Notice>
  );
}

/** The mark outside the store was removed or changed: a person says that they know why. */
function MissingAnchor({ model, vault }: { model: Model; vault: VaultInfo }) {
  const task = useTask();
  const accept = () =>
    task.run(async () => {
      await model.host.request("vault/unlock", { acceptRollback: true });
      await model.loadVault();
    });
  return (
    <Notice tone="warn">
      <p>{vault.anchor === "changed" ? words.vault.anchorChanged : words.vault.anchorMissing}</p>
      <p class="actions">
        <Button onClick={accept}>{words.vault.acceptAnchor}</Button>
      </p>
      <Live>{task.error && <Failure data={task.error} model={model} />}</Live>
    </Notice>
  );
}

function Protection({ vault }: { vault: VaultInfo }) {
  const { protection } = vault;
  return (
    <dl class="facts">
      {protection && (
        <Fact name={words.vault.protectedBy}>
          {words.vault.protections[protection] ?? protection}
          {vault.degraded && <span class="badge warn">{words.vault.degraded}</span>}
        </Fact>
      )}
      {vault.backend && <Fact name={words.vault.backend}>{vault.backend}</Fact>}
      {vault.protectsAgainst && <Fact name={words.vault.protects}>{vault.protectsAgainst}</Fact>}
      {vault.doesNotProtectAgainst && <Fact name={words.vault.protectsNot}>{vault.doesNotProtectAgainst}</Fact>}
      {vault.audit && <Fact name={words.vault.audit}>{words.vault.audits[vault.audit] ?? vault.audit}</Fact>}
    </dl>
  );
}

function Unlock({ model, vault }: { model: Model; vault: VaultInfo }) {
  const hasCode = vault.slots.some((slot) => slot.kind === "recoveryCode");
  const hasPassphrase = vault.slots.some((slot) => slot.kind === "passphrase");
  const [byCode, setByCode] = useState(false);
  const secret = useRef<SecretInputHandle>(null);
  const task = useTask();
  const rollback = vault.reason === "rollback";
  const asks = byCode || hasPassphrase;

  const unlock = (params: Parameters<typeof model.host.request<"vault/unlock">>[1]) =>
    task.run(async () => {
      try {
        await model.host.request("vault/unlock", params);
        await model.loadKeys();
      } finally {
        await model.loadVault();
      }
    });
  const send = (event: Event) => {
    event.preventDefault();
    if (task.running) return;
    if (!asks) return unlock({});
    if (secret.current?.isEmpty()) return secret.current.focus();
    const plain = secret.current?.take() ?? "";
    unlock(byCode ? { recoveryCode: { plain } } : { passphrase: { plain } });
    secret.current?.focus();
  };
  useEffect(() => secret.current?.focus(), [byCode]);

  return (
    <form class="form" noValidate onSubmit={send} aria-label={words.vault.unlockTitle}>
      <h2>{words.vault.unlockTitle}</h2>
      {vault.hint && <p class="note">{sentence(vault.hint)}</p>}
      {rollback ? (
        <>
          <p>{words.vault.rollback}</p>
          <p class="actions">
            <Button kind="danger" onClick={() => unlock({ acceptRollback: true })}>{words.vault.acceptRollback}</Button>
          </p>
        </>
      ) : (
        <>
          {asks && (
            <SecretField key={String(byCode)} verbatim label={byCode ? words.vault.recoveryCode : words.vault.passphrase} handle={secret} />
          )}
          <p class="actions">
            <Button submit kind="primary" disabled={task.running}>{asks ? words.vault.unlock : words.vault.unlockAgain}</Button>
            {hasCode && (
              <Button onClick={() => setByCode(!byCode)}>{byCode && hasPassphrase ? words.vault.usePassphrase : byCode ? words.cancel : words.vault.useCode}</Button>
            )}
          </p>
        </>
      )}
      <Live>
        {task.running && <Progress text={words.vault.unlocking} />}
        {task.error && <Failure data={task.error} model={model} />}
      </Live>
    </form>
  );
}

interface ChangesProps {
  model: Model;
  vault: VaultInfo;
  onCode: (code: string) => void;
}

function Changes({ model, vault, onCode }: ChangesProps) {
  const [open, setOpen] = useState<Open>(null);
  const [message, setMessage] = useState<string | null>(null);
  const passphrase = useRef<SecretInputHandle>(null);
  const task = useTask();
  const hasCode = vault.slots.some((slot) => slot.kind === "recoveryCode");
  const hasPassphrase = vault.slots.some((slot) => slot.kind === "passphrase");

  const rekey = async (params: Parameters<typeof model.host.request<"vault/rekey">>[1], text: string) => {
    const result = await model.host.request("vault/rekey", params);
    if (result.recoveryCode !== null) onCode(result.recoveryCode as unknown as string);
    await model.loadVault();
    setOpen(null);
    const kept = result.notRenewed.map((slot) => words.vault.notRenewed[slot.reason] ?? slot.reason);
    setMessage([text, ...kept].join(" "));
  };
  const show = (next: Open) => {
    task.clear();
    setMessage(null);
    setOpen(next);
  };
  const lock = () => {
    setMessage(null);
    task.run(async () => {
      await model.host.request("vault/lock", {});
      await model.loadVault();
    });
  };

  return (
    <>
      <section class="section" aria-labelledby="slots-title">
        <div class="section-head">
          <h2 id="slots-title">{words.vault.slots}</h2>
          <Button icon="lock" title={words.vault.lockHint} onClick={lock}>{words.vault.lock}</Button>
        </div>
        <Slots slots={vault.slots} onRemove={(slot) => show({ remove: slot })} />
        <p class="actions">
          {vault.choices.length > 0 && <Button onClick={() => show("protection")}>{words.vault.change}</Button>}
          <Button onClick={() => show("code")}>{hasCode ? words.vault.replaceCode : words.vault.makeCode}</Button>
          <Button onClick={() => show("renew")}>{words.vault.renew}</Button>
        </p>
        {open === "protection" && (
          <ProtectionForm
            model={model}
            choices={choicesFor(vault)}
            submit={words.vault.change}
            progress={words.vault.changing}
            withRecoveryCode={false}
            onCancel={() => setOpen(null)}
            onSubmit={({ protection, acceptRisk, passphrase: newPassphrase }) =>
              rekey({ change: "replaceProtection", kind: protection as never, acceptRisk, newPassphrase }, words.vault.changed)
            }
          />
        )}
        {open === "code" && (
          <Confirm
            title={hasCode ? words.vault.replaceCode : words.vault.makeCode}
            action={hasCode ? words.vault.replaceCode : words.vault.makeCode}
            onCancel={() => setOpen(null)}
            onConfirm={() => task.run(() => rekey({ change: "addSlot", kind: "recoveryCode", makeRecoveryCode: true }, words.vault.changed))}
          >
            <p>{words.vault.codeHint}</p>
          </Confirm>
        )}
        {open === "renew" && (
          <Confirm
            title={words.vault.renew}
            action={words.vault.renew}
            onCancel={() => setOpen(null)}
            onConfirm={() => {
              const secret = hasPassphrase ? { passphrase: { plain: passphrase.current?.take() ?? "" } } : {};
              task.run(() => rekey({ change: "everything", ...secret, makeRecoveryCode: hasCode }, words.vault.renewed));
            }}
          >
            <p>{words.vault.renewHint}</p>
            {hasPassphrase && <SecretField verbatim label={words.vault.neededNow} handle={passphrase} />}
          </Confirm>
        )}
        {open !== null && typeof open === "object" && "remove" in open && (
          <Confirm
            title={words.vault.removeSlotTitle(kindOf(open.remove))}
            action={words.vault.removeSlot}
            onCancel={() => setOpen(null)}
            onConfirm={() => task.run(() => rekey({ change: "removeSlot", slotId: open.remove.id }, words.vault.changed))}
          >
            <p>{words.vault.removeSlotText}</p>
          </Confirm>
        )}
        <TaskState task={task} model={model} running={words.vault.changing} message={message} />
      </section>
    </>
  );
}

/** The choices but the present one; a passphrase can be replaced by another one. */
const choicesFor = (vault: VaultInfo): readonly Choice[] =>
  vault.choices.filter(({ protection }) => protection !== vault.protection || protection === "passphrase");

const kindOf = (slot: SlotInfo): string => words.vault.protections[slot.kind] ?? slot.kind;

function Slots({ slots, onRemove }: { slots: readonly SlotInfo[]; onRemove: (slot: SlotInfo) => void }) {
  const { slotColumns } = words.vault;
  const protections = slots.filter((slot) => slot.kind !== "recoveryCode");
  return (
    <table class="table">
      <thead>
        <tr>
          <th scope="col">{slotColumns.kind}</th>
          <th scope="col">{slotColumns.state}</th>
          <th scope="col">{slotColumns.since}</th>
          <th scope="col">
            <span class="sr-only">{slotColumns.actions}</span>
          </th>
        </tr>
      </thead>
      <tbody>
        {slots.map((slot) => (
          <tr key={slot.id}>
            <td>{kindOf(slot)}</td>
            <td>{words.vault.slotStates[slot.state] ?? slot.state}</td>
            <td title={exactTime(slot.createdAt)}>{ago(slot.createdAt)}</td>
            <td class="row-actions">
              {(slot.kind === "recoveryCode" || protections.length > 1) && (
                <Button kind="quiet" icon="trash" label={words.keys.actionsOf(words.vault.removeSlot, kindOf(slot))} onClick={() => onRemove(slot)} />
              )}
            </td>
          </tr>
        ))}
      </tbody>
    </table>
  );
}

function Backups({ model, backups }: { model: Model; backups: readonly BackupInfo[] }) {
  const [open, setOpen] = useState<BackupInfo | null>(null);
  const [message, setMessage] = useState<string | null>(null);
  const task = useTask();
  const restore = ({ number }: BackupInfo) => {
    setOpen(null);
    task.run(async () => {
      await model.host.request("vault/restore", { number });
      await model.loadVault();
      await model.loadKeys();
      setMessage(words.vault.restored);
    });
  };
  return (
    <section class="section" aria-labelledby="backups-title">
      <h2 id="backups-title">{words.vault.backups}</h2>
      <p class="note">{words.vault.backupsHint}</p>
      {backups.length === 0 ? (
        <p class="quiet">{words.vault.noBackups}</p>
      ) : (
        <ul class="rows">
          {backups.map((backup) => (
            <li key={backup.number}>
              <span title={exactTime(backup.takenAt)}>{moment(backup.takenAt)}</span>
              <span class="quiet num">{Math.ceil(backup.sizeBytes / 1024)} kB</span>
              <Button label={words.keys.actionsOf(words.vault.restore, moment(backup.takenAt))} title={words.vault.restore} onClick={() => setOpen(backup)}>
                {words.vault.restore}
              </Button>
            </li>
          ))}
        </ul>
      )}
      {open && (
        <Confirm title={words.vault.restoreTitle(moment(open.takenAt))} action={words.vault.restoreButton} onConfirm={() => restore(open)} onCancel={() => setOpen(null)}>
          <p>{words.vault.restoreText}</p>
        </Confirm>
      )}
      <TaskState task={task} model={model} running={words.working} message={message} />
    </section>
  );
}

function TaskState({ task, model, running, message }: { task: Task; model: Model; running: string; message: string | null }) {
  return (
    <Live>
      {task.running && <Progress text={running} />}
      {message && (
        <Notice tone="good">
          <p>{message}</p>
        </Notice>
      )}
      {task.error && <Failure data={task.error} model={model} />}
    </Live>
  );
}
