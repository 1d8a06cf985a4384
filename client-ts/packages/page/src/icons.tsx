/** Icons of one stroke on a 16-pixel grid, in the colour of the text. */

const PATHS = {
  add: "M8 3v10M3 8h10",
  check: "M3 8.5l3.2 3L13 4.5",
  close: "M4 4l8 8M12 4l-8 8",
  chevron: "M6 4l4 4-4 4",
  back: "M10 4L6 8l4 4",
  eye: "M1.5 8S4 3.5 8 3.5 14.5 8 14.5 8 12 12.5 8 12.5 1.5 8 1.5 8zM8 6a2 2 0 100 4 2 2 0 000-4z",
  key: "M5.5 5a3 3 0 100 6 3 3 0 000-6zM8.5 8H14v2.5M11.5 8v2",
  link: "M9 3h4v4M13 3L7.5 8.5M11 9.5V13H3V5h3.5",
  lock: "M4 7.5h8V13H4zM5.5 7.5V5.5a2.5 2.5 0 015 0v2",
  unlock: "M4 7.5h8V13H4zM5.5 7.5V5a2.5 2.5 0 014.9-.7",
  log: "M3 4h10M3 8h10M3 12h6",
  import: "M8 2.5v7M5 7l3 3 3-3M3 13h10",
  refresh: "M13 8a5 5 0 11-1.5-3.5M13 2.5V5h-2.5",
  search: "M7 3a4 4 0 100 8 4 4 0 000-8zM10 10l3.5 3.5",
  star: "M8 2.5l1.7 3.5 3.8.5-2.8 2.6.7 3.9L8 11.2 4.6 13l.7-3.9L2.5 6.5l3.8-.5z",
  stop: "M8 2.5a5.5 5.5 0 100 11 5.5 5.5 0 000-11zM4.2 4.2l7.6 7.6",
  play: "M5 3.5v9l7.5-4.5z",
  trash: "M3 4.5h10M6 4.5V3h4v1.5M4.5 4.5l.5 8.5h6l.5-8.5M7 7v3.5M9 7v3.5",
  edit: "M3 13l.7-3L10.5 3.2a1.2 1.2 0 011.7 0l.6.6a1.2 1.2 0 010 1.7L6 12.3z",
  machine: "M2.5 3.5h11v7h-11zM5.5 13h5M8 10.5V13",
  warning: "M8 2.5L14 13H2zM8 6.5v3M8 11.2v.3",
  error: "M8 2.5a5.5 5.5 0 100 11 5.5 5.5 0 000-11zM6 6l4 4M10 6l-4 4",
  info: "M8 2.5a5.5 5.5 0 100 11 5.5 5.5 0 000-11zM8 7.5v3.5M8 5v.3",
  text: "M4 4.5V3.5h8v1M8 3.5v9M6.5 12.5h3",
  image: "M2.5 3.5h11v9h-11zM5.5 6a.8.8 0 100 1.6.8.8 0 000-1.6zM3 11.5l3.5-3 2 1.5L11 7.5l2.5 2.5",
  file: "M4 2.5h5L12 5.5v8H4zM9 2.5v3h3",
  audio: "M3 6.5v3h2l3 2.5v-8l-3 2.5zM10.5 6a3 3 0 010 4M12.3 4.3a5.4 5.4 0 010 7.4",
  video: "M2.5 4.5h7.5v7H2.5zM10 7l3.5-2v6L10 9z",
} as const;

export type IconName = keyof typeof PATHS;

export function Icon({ name, label }: { name: IconName; label?: string }) {
  const hidden = label === undefined;
  return (
    <svg
      class="icon"
      viewBox="0 0 16 16"
      aria-hidden={hidden ? "true" : undefined}
      role={hidden ? undefined : "img"}
      aria-label={label}
      focusable="false"
    >
      {label && <title>{label}</title>}
      <path d={PATHS[name]} />
    </svg>
  );
}
