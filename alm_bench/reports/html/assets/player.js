// Players of clips. Embedded clips lie in the page as base64 and become blobs, in which browsers can seek.

const SPEEDS = [0.5, 0.75, 1, 1.25, 1.5, 2];

function readEmbedded(id, type) {
  const text = document.getElementById(id).textContent;
  return new Blob([Uint8Array.from(atob(text), (sign) => sign.charCodeAt(0))], { type });
}

/** A group of players with common controls: speed, loop, and the switch between two clips at the same position. */
class Deck {
  constructor() {
    this.players = [];
    this.urls = [];
    this.last = null;
    this.previous = null;
    this.speed = 1;
    this.loop = false;
  }

  close() {
    this.players.forEach((player) => player.audio.pause());
    this.urls.forEach((url) => URL.revokeObjectURL(url));
  }

  source(clip) {
    if (clip.file) return clip.file;
    const url = URL.createObjectURL(readEmbedded(clip.audio, "audio/mpeg"));
    this.urls.push(url);
    return url;
  }

  /** Return a player of a clip; a sentence with the reason if the page does not have the clip. */
  build(index, title, events) {
    const clip = CLIPS[index];
    const name = title + (clip.name ? ": " + clip.name : "");
    const heading = el("figcaption", null, el("strong", null, title), " ", isolated(clip.name || "", "name"));
    if (!clip.audio && !clip.file) {
      return el("figure", { class: "clip" }, heading, el("p", { class: "note" }, clip.why || "This clip is not part of the page."));
    }
    const audio = el("audio", { controls: true, preload: "metadata", "aria-label": name, src: this.source(clip) });
    const player = { audio, name };
    this.players.push(player);
    const figure = el("figure", { class: "clip" }, heading, this.picture(clip, name, audio, events), events ? buildEventList(events) : null, audio);
    audio.addEventListener("play", () => this.started(player));
    audio.addEventListener("loadedmetadata", () => this.apply());
    this.apply();
    return figure;
  }

  picture(clip, name, audio, events) {
    if (!clip.image && !clip.imageFile) return null;
    const head = el("span", { class: "playhead", "aria-hidden": "true" });
    const source = clip.imageFile || "data:image/png;base64," + document.getElementById(clip.image).textContent;
    const image = el("img", { src: source, alt: "Log-mel spectrogram of " + name + ", " + clip.seconds.toFixed(1) + " s", width: 640, height: 128 });
    const box = el("div", { class: "spectrogram", title: "click to seek" }, image, events ? drawEventCurves(events, clip.seconds, name) : null, head);
    box.addEventListener("click", (event) => {
      const area = image.getBoundingClientRect();
      if (audio.duration) audio.currentTime = ((event.clientX - area.left) / area.width) * audio.duration;
    });
    const move = () => { head.style.left = (audio.duration ? (100 * audio.currentTime) / audio.duration : 0) + "%"; };
    audio.addEventListener("timeupdate", move);
    audio.addEventListener("seeked", move);
    return box;
  }

  started(player) {
    for (const other of this.players) if (other !== player) other.audio.pause();
    if (this.last !== player) [this.previous, this.last] = [this.last, player];
  }

  apply() {
    for (const { audio } of this.players) {
      audio.loop = this.loop;
      audio.playbackRate = this.speed;
    }
  }

  /** Go on with the other one of the two clips that were played last, at the same position. */
  switchClip() {
    const from = this.last || this.players[0];
    const to = this.previous || this.players.find((player) => player !== from);
    if (!from || !to) return;
    const position = from.audio.currentTime;
    from.audio.pause();
    to.audio.currentTime = Math.min(position, to.audio.duration || position);
    this.started(to);
    to.audio.play();
  }

  controls() {
    const loop = el("button", { type: "button", "aria-pressed": "false", click: () => {
      this.loop = !this.loop;
      loop.setAttribute("aria-pressed", String(this.loop));
      this.apply();
    } }, "Loop");
    const speed = el("select", { change: (event) => { this.speed = Number(event.target.value); this.apply(); } },
      SPEEDS.map((value) => option(value, value + " ×", value === 1)));
    const parts = [loop, el("label", null, "Speed ", speed)];
    if (this.players.length > 1) {
      parts.unshift(el("button", { type: "button", class: "switch", title: "plays the other clip from the same position", click: () => this.switchClip() }, "Switch A/B"));
    }
    return el("div", { class: "deck", role: "group", "aria-label": "Playback" }, parts);
  }
}
