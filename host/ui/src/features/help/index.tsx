import { Anchor, Code, Group, NavLink, Table, Text, TextInput } from "@mantine/core";
import { Link, useParams as useRoute } from "@tanstack/react-router";
import { Search } from "lucide-react";
import { useMemo, useState, type ReactNode } from "react";
import Markdown, { type Components } from "react-markdown";
import gfm from "remark-gfm";

import { CopyText } from "@/ui/CopyId";
import { PageHead } from "@/ui/Page";
import classes from "./help.module.css";

// The user documentation, as it is in the repository; part of the built pages, so that it is there offline.
const FILES = import.meta.glob("../../../../docs/*.md", { query: "?raw", import: "default", eager: true });

const IMAGES = import.meta.glob("../../../../docs/images/*.png", {
  query: "?url",
  import: "default",
  eager: true,
});

interface Topic {
  id: string;
  title: string;
  text: string;
}

const ORDER = [
  "getting-started",
  "ui",
  "documents",
  "operators",
  "flow",
  "schedules",
  "webhooks",
  "control",
  "syncpacks",
  "api",
  "operations",
  "configuration",
  "security",
  "reliability",
  "performance",
  "errors",
];
const TOPICS: Topic[] = Object.entries(FILES)
  .map(([path, text]) => ({
    id: path.replace(/^.*\/|\.md$/g, ""),
    title: /^# (.+)$/m.exec(text)?.[1] ?? path,
    text: text,
  }))
  .sort((a, b) => ((ORDER.indexOf(a.id) + 99) % 99) - ((ORDER.indexOf(b.id) + 99) % 99));

const slug = (text: string) =>
  text
    .toLowerCase()
    .replace(/[^\w\s-]/g, "")
    .trim()
    .replace(/\s+/g, "-");
const plain = (node: ReactNode): string =>
  Array.isArray(node)
    ? node.map(plain).join("")
    : typeof node === "string" || typeof node === "number"
      ? String(node)
      : typeof node === "object" && node !== null && "props" in node
        ? plain((node.props as { children?: ReactNode }).children)
        : "";

const PARTS: Components = {
  h1: () => null,
  h2: ({ children }) => <h2 id={slug(plain(children))}>{children}</h2>,
  h3: ({ children }) => <h3 id={slug(plain(children))}>{children}</h3>,
  a: ({ href = "", children }) => {
    const page = /^(?:\.\/)?([\w-]+)\.md(#.*)?$/.exec(href);
    if (page)
      return (
        <Anchor
          component={Link}
          to={`/help/${page[1] ?? ""}${page[2] ?? ""}` as "/"}
          inherit
          underline="always"
        >
          {children}
        </Anchor>
      );
    if (href.startsWith("#") || href.startsWith("/docs") || href.startsWith("/api"))
      return (
        <Anchor href={href} inherit underline="always">
          {children}
        </Anchor>
      );
    // Files of the repository and other sites are not part of the pages.
    return <span title={href}>{children}</span>;
  },
  img: ({ src = "", alt }) => {
    const url = IMAGES[`../../../../docs/${String(src)}`];
    return typeof url === "string" ? <img src={url} alt={alt ?? ""} className={classes.picture} /> : null;
  },
  code: ({ children, className }) =>
    className || plain(children).includes("\n") ? <code>{children}</code> : <Code>{children}</Code>,
  pre: ({ children }) => {
    const text = plain(children);
    return (
      <div className={classes.block}>
        <span className={classes.copy}>
          <CopyText text={text} what="the example" />
        </span>
        {/* A wide example scrolls, so it is reached by keyboard. */}
        {}
        <pre tabIndex={0}>{text}</pre>
      </div>
    );
  },
  table: ({ children }) => (
    <Table.ScrollContainer minWidth={500} type="native" tabIndex={0}>
      <Table className={classes.table}>{children}</Table>
    </Table.ScrollContainer>
  ),
};

/** The user documentation: to read, to search, offline. */
export function Page() {
  const { topic: wanted } = useRoute({ strict: false });
  const topic = TOPICS.find((each) => each.id === wanted) ?? TOPICS[0];
  const [search, setSearch] = useState("");
  const needle = search.trim().toLowerCase();
  const found = useMemo(
    () =>
      needle.length < 2
        ? []
        : TOPICS.flatMap((each) => {
            const at = each.text.toLowerCase().indexOf(needle);
            return at < 0
              ? []
              : [
                  {
                    topic: each,
                    count: each.text.toLowerCase().split(needle).length - 1,
                    before: each.text.slice(Math.max(0, at - 60), at),
                    hit: each.text.slice(at, at + needle.length),
                    after: each.text.slice(at + needle.length, at + needle.length + 80),
                  },
                ];
          }),
    [needle],
  );
  if (!topic) return <PageHead title="Help" />;
  return (
    <div className={classes.help}>
      <nav aria-label="Help" className={classes.topics}>
        <TextInput
          aria-label="Search the help"
          placeholder="Search the help"
          data-search
          mb="sm"
          value={search}
          onChange={(event) => setSearch(event.currentTarget.value)}
          leftSection={<Search size={13} aria-hidden />}
        />
        {TOPICS.map((each) => (
          <NavLink
            key={each.id}
            component={Link}
            to={`/help/${each.id}` as "/"}
            label={each.title}
            active={each.id === topic.id}
            aria-current={each.id === topic.id ? "page" : undefined}
            onClick={() => setSearch("")}
          />
        ))}
      </nav>
      <div className={classes.text}>
        {needle.length >= 2 ? (
          <section aria-label="Found">
            <PageHead title={`“${search.trim()}”`} document="Help" />
            {found.length === 0 ? <Text fz="sm">No page holds that.</Text> : null}
            {found.map((each) => (
              <div key={each.topic.id} style={{ marginBottom: 14 }}>
                <Group gap="sm">
                  <Anchor
                    component={Link}
                    to={`/help/${each.topic.id}` as "/"}
                    fw={550}
                    fz="sm"
                    underline="always"
                    onClick={() => setSearch("")}
                  >
                    {each.topic.title}
                  </Anchor>
                  <Text fz="xs" c="dimmed">
                    {each.count}
                  </Text>
                </Group>
                <Text fz="xs" c="dimmed">
                  …{each.before}
                  <mark>{each.hit}</mark>
                  {each.after}…
                </Text>
              </div>
            ))}
          </section>
        ) : (
          <article>
            <PageHead title={topic.title} />
            <Markdown remarkPlugins={[gfm]} components={PARTS}>
              {topic.text}
            </Markdown>
          </article>
        )}
      </div>
    </div>
  );
}
