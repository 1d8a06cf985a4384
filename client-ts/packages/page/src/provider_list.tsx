/** The list of providers: search, groups, states. Arrow keys move, Enter opens, typing filters. */

import { useEffect, useRef, useState } from "preact/hooks";

import type { KeyInfo, ProviderInfo } from "../../client/src/generated.js";
import { Icon } from "./icons.js";
import type { Model, State } from "./model.js";
import { words } from "./words.js";

const GROUPS = ["inUse", "managed", "singleField", "multiField", "custom"] as const;
type Group = (typeof GROUPS)[number];

export function ProviderList({ model, state }: { model: Model; state: State }) {
  const [filter, setFilter] = useState("");
  const search = useRef<HTMLInputElement>(null);
  const list = useRef<HTMLDivElement>(null);
  const open = state.view.name === "providers" ? state.view.provider : null;
  const groups = grouped(state, filter);
  const shown = groups.flatMap(([, items]) => items);
  const first = shown.some((item) => item.id === open) ? open : (shown[0]?.id ?? null);

  useEffect(() => {
    list.current?.querySelector<HTMLElement>('[aria-selected="true"]')?.scrollIntoView({ block: "nearest" });
  }, [open]);

  const move = (event: KeyboardEvent) => {
    const rows = [...(list.current?.querySelectorAll<HTMLElement>('[role="option"]') ?? [])];
    const at = rows.indexOf(document.activeElement as HTMLElement);
    const target = { ArrowDown: at + 1, ArrowUp: at - 1, Home: 0, End: rows.length - 1 }[event.key];
    if (target !== undefined) {
      event.preventDefault();
      (rows[target] ?? (target < 0 ? search.current : rows.at(-1)))?.focus();
    } else if (event.key.length === 1 && event.key !== " " && !event.ctrlKey && !event.metaKey && !event.altKey && at >= 0) {
      search.current?.focus(); // the key lands in the field
    }
  };
  const onSearchKey = (event: KeyboardEvent) => {
    if (event.key === "Escape" && filter) setFilter("");
    else if (event.key === "Enter" && shown[0]) model.show({ name: "providers", provider: shown[0].id });
  };

  return (
    <nav class="providers" aria-label={words.list.label} onKeyDown={move}>
      <div class="search">
        <Icon name="search" />
        <input
          ref={search}
          type="search"
          aria-label={words.list.filter}
          placeholder={words.list.filter}
          value={filter}
          autocomplete="off"
          spellcheck={false}
          onInput={(event) => setFilter(event.currentTarget.value)}
          onKeyDown={onSearchKey}
        />
      </div>
      {shown.length > 0 ? (
        <div class="options" role="listbox" aria-label={words.list.label} ref={list}>
          {groups.map(([group, items]) => (
            <div role="group" aria-labelledby={`group-${group}`} key={group}>
              <div class="group" id={`group-${group}`} role="presentation">
                {words.list[group]}
                {group === "multiField" && <span class="badge">{words.list.preview}</span>}
              </div>
              {items.map((item) => (
                <Row
                  key={item.id}
                  item={item}
                  keys={model.keysOf(item.id)}
                  open={item.id === open}
                  reachable={item.id === first}
                  onOpen={() => model.show({ name: "providers", provider: item.id })}
                />
              ))}
            </div>
          ))}
        </div>
      ) : (
        state.loaded && (
          <div class="empty">
            <p>{words.list.noMatch(filter)}</p>
            <p class="quiet">{words.list.noMatchHint}</p>
          </div>
        )
      )}
    </nav>
  );
}

interface RowProps {
  item: ProviderInfo;
  keys: readonly KeyInfo[];
  open: boolean;
  reachable: boolean;
  onOpen: () => void;
}

function Row({ item, keys, open, reachable, onOpen }: RowProps) {
  const onKeyDown = (event: KeyboardEvent) => {
    if (event.key !== "Enter" && event.key !== " ") return;
    event.preventDefault();
    onOpen();
  };
  return (
    <div class="option" role="option" aria-selected={open} tabIndex={reachable ? 0 : -1} onClick={onOpen} onKeyDown={onKeyDown}>
      <span class="name">{item.name}</span>
      <span class="id">{item.id}</span>
      {item.layer === "own" && <span class="badge">{words.list.own}</span>}
      {keys.length > 0 && <KeysState keys={keys} />}
    </div>
  );
}

/** The worst state of a provider's keys, in words and colour. */
function KeysState({ keys }: { keys: readonly KeyInfo[] }) {
  const disabled = keys.filter((key) => key.state === "softDisabled" || key.state === "userDisabled");
  const [tone, text] =
    disabled.length === keys.length
      ? ["bad", words.list.disabled]
      : keys.some((key) => key.state === "suspect") || disabled.some((key) => key.state === "softDisabled")
        ? ["warn", words.list.suspect]
        : ["good", keys.length > 1 ? words.list.keys(keys.length) : words.list.active];
  return (
    <span class={`state ${tone}`}>
      <span class="dot" aria-hidden="true" />
      {text}
    </span>
  );
}

function grouped({ providers, keys }: State, filter: string): (readonly [Group, readonly ProviderInfo[]])[] {
  const needle = filter.trim().toLowerCase();
  const used = new Set(keys.map((key) => key.provider));
  const matches = ({ id, name, tags }: ProviderInfo) =>
    [id, name, ...tags].some((text) => text.toLowerCase().includes(needle));
  return GROUPS.map((group) => {
    const items = providers.filter((item) => matches(item) && groupOf(item, used) === group);
    return [group, items] as const;
  }).filter(([, items]) => items.length > 0);
}

function groupOf(item: ProviderInfo, used: ReadonlySet<string>): Group {
  if (used.has(item.id)) return "inUse";
  return (GROUPS as readonly string[]).includes(item.kind) ? (item.kind as Group) : "custom";
}
