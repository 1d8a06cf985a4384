/** What an address means, and what goes there: asked of the daemon, which sends nothing. */

import { useEffect, useState } from "preact/hooks";

import type { ErrorData, ProviderInfo, ProviderReadAddressResult } from "../../client/src/generated.js";
import { Live, Notice } from "./controls.js";
import { hostOf, sentence } from "./format.js";
import { HostError } from "./host.js";
import type { Model } from "./model.js";
import { Fact } from "./provider_view.js";
import { words } from "./words.js";

const TYPING_PAUSE_MS = 200;

export interface Address {
  /** As typed or pasted; null for the provider's own. */
  baseUrl: string | null;
  /** Those that are no secret. */
  fields: Readonly<Record<string, string>>;
  allowInsecureOrigin: boolean;
}

type Reading = { result: ProviderReadAddressResult } | { error: ErrorData } | null;

/** Read an address again after each pause of typing. */
export function useAddress(model: Model, provider: ProviderInfo | null, address: Address | null): Reading {
  const [reading, setReading] = useState<Reading>(null);
  const key = JSON.stringify([provider?.id, address]);
  useEffect(() => {
    setReading(null);
    if (!provider || !address) return;
    let current = true;
    const read = () =>
      model.host.request("provider/readAddress", { provider: provider.id, ...address }).then(
        (result) => current && setReading({ result }),
        (error: unknown) => {
          if (!(error instanceof HostError)) throw error;
          if (current) setReading({ error: error.data });
        },
      );
    const timer = setTimeout(() => void read(), TYPING_PAUSE_MS);
    return () => {
      current = false;
      clearTimeout(timer);
    };
  }, [key]);
  return reading;
}

interface Props {
  provider: ProviderInfo;
  reading: Reading;
  /** Whether an address was typed, so that what is missing in it is worth a word. */
  typed: boolean;
}

export function AddressPreview({ provider, reading, typed }: Props) {
  if (!reading) return <Live />;
  if ("error" in reading) {
    return (
      <Live>
        <Notice tone="warn">
          <p>{sentence(reading.error.userMessage)}</p>
        </Notice>
      </Live>
    );
  }
  const { result } = reading;
  const labelOf = (name: string) => provider.fields.find((field) => field.name === name)?.label ?? words.form.otherLabel;
  return (
    <Live>
      {typed && result.missing.length > 0 && <p class="note">{words.address.missing(result.missing.map(labelOf))}</p>}
      <dl class="facts preview">
        {typed && Object.entries(result.fields).map(([name, value]) => (
          <Fact key={name} name={labelOf(name)}>
            <code>{value}</code>
          </Fact>
        ))}
        {result.origin && <Fact name={words.address.host}>{hostOf(result.origin)}</Fact>}
        {result.chatUrl && (
          <Fact name={words.address.chats}>
            <code>{result.chatUrl}</code>
          </Fact>
        )}
        <Fact name={words.address.headers}>
          <ul class="headers">
            {result.headers.map((header) => (
              <li key={`${header.name} ${header.otherwise}`}>
                <code>
                  {header.name}: {header.value ?? words.address.signature}
                </code>
                {header.otherwise && <span class="quiet"> {words.address.otherwise}</span>}
              </li>
            ))}
          </ul>
        </Fact>
      </dl>
    </Live>
  );
}
