// The icons: strokes on a 24 by 24 grid.
const PATHS = {
  search: "M11 4a7 7 0 1 0 0 14 7 7 0 0 0 0-14M16 16l4.500 4.500",
  close: "M6 6l12 12M18 6L6 18",
  clock: "M12 3.500a8.500 8.500 0 1 0 0 17 8.500 8.500 0 0 0 0-17M12 7.500V12l3 2",
  file: "M13.500 3H7a1.500 1.500 0 0 0-1.500 1.500v15A1.500 1.500 0 0 0 7 21h10a1.500 1.500 0 0 0 1.500-1.500V8zM13.500 3v5h5M9 14v2M12 12v6M15 13.500v3",
  mic: "M12 3a3 3 0 0 0-3 3v5a3 3 0 0 0 6 0V6a3 3 0 0 0-3-3M5.500 11a6.500 6.500 0 0 0 13 0M12 17.500V21",
  stop: "M7 7h10v10H7z",
  star: "M12 3.500l2.600 5.500 6 .800-4.400 4.200 1.100 6L12 17.100 6.700 20l1.100-6L3.400 9.800l6-.8z",
  system: "M4 5h16v11H4zM9 20h6M12 16v4",
  light: "M12 8a4 4 0 1 0 0 8 4 4 0 0 0 0-8M12 3v1.500M12 19.500V21M3 12h1.500M19.500 12H21M5.600 5.600l1.100 1.100M17.300 17.300l1.100 1.100M5.600 18.400l1.100-1.100M17.300 6.700l1.100-1.100",
  dark: "M20 14.500A8.500 8.500 0 0 1 9.500 4a8.500 8.500 0 1 0 10.500 10.500z",
  help: "M12 3.500a8.500 8.500 0 1 0 0 17 8.500 8.500 0 0 0 0-17M9.800 9.500a2.300 2.300 0 0 1 4.500.700c0 1.600-2.300 2-2.300 3.300M12 16.500v.1",
  filter: "M4 6h16M7 12h10M10 18h4",
  play: "M8 5.500v13l10.500-6.500z",
  pause: "M7 5.500h3.500v13H7zM13.500 5.500H17v13h-3.500z",
  next: "M6 6v12l8.500-6zM17 6v12",
  previous: "M18 6v12l-8.500-6zM7 6v12",
  loop: "M17 3.500l3 3-3 3M20 6.500H8.500A4.500 4.500 0 0 0 4 11M7 20.500l-3-3 3-3M4 17.500h11.500A4.500 4.500 0 0 0 20 13",
  level: "M4 12h2.500M17.500 12H20M9 7.500v9M12 4.500v15M15 7.500v9",
  volume: "M4 9.500v5h3.500L12 18.500v-13L7.500 9.500zM15.500 9a4 4 0 0 1 0 6M18 6.500a7.500 7.500 0 0 1 0 11",
  muted: "M4 9.500v5h3.500L12 18.500v-13L7.500 9.500zM16 9.500l5 5M21 9.500l-5 5",
  more: "M4 12c1.300-4 2.700-4 4 0s2.700 4 4 0 2.700-4 4 0 2.700 4 4 0",
  less: "M4 12c1.300-4 2.700-4 4 0s2.700 4 4 0 2.700-4 4 0 2.700 4 4 0M5 20L19 4",
  dots: "M5.500 12v.1M12 12v.1M18.500 12v.1",
  copy: "M8.500 8.500h11v11h-11zM15.500 8.500v-4h-11v11h4",
  info: "M12 3.500a8.500 8.500 0 1 0 0 17 8.500 8.500 0 0 0 0-17M12 11v5.500M12 7.800v.1",
  download: "M12 4v11M7.500 11l4.500 4.500 4.500-4.500M5 20h14",
  fold: "M9 5l7 7-7 7",
  folder: "M3.500 6.500A1.500 1.500 0 0 1 5 5h4l2 2.500h8A1.500 1.500 0 0 1 20.500 9v8.500A1.500 1.500 0 0 1 19 19H5a1.500 1.500 0 0 1-1.500-1.500z",
  silence: "M4 12h16",
  plug: "M9 3v5M15 3v5M6.500 8h11v3.500a5.500 5.500 0 0 1-11 0zM12 17v4",
  again: "M19.500 12a7.500 7.500 0 1 1-2.200-5.300M19.500 4v4h-4",
};

const SPACE = "http://www.w3.org/2000/svg";

export function icon(name) {
  const svg = document.createElementNS(SPACE, "svg");
  svg.setAttribute("viewBox", "0 0 24 24");
  svg.setAttribute("class", `icon icon-${name}`);
  svg.setAttribute("aria-hidden", "true");
  const path = document.createElementNS(SPACE, "path");
  path.setAttribute("d", PATHS[name]);
  svg.append(path);
  return svg;
}

/** Show another icon on a button that has one. */
export function changeIcon(button, name) {
  const shown = button.querySelector("svg.icon");
  if (!shown?.classList.contains(`icon-${name}`)) shown?.replaceWith(icon(name));
}
