import "@xyflow/react/dist/style.css";

import { ActionIcon, Tooltip } from "@mantine/core";
import { useCallbackRef } from "@mantine/hooks";
import {
  MiniMap,
  ReactFlow,
  ReactFlowProvider,
  useReactFlow,
  useStore,
  type Node,
  type ReactFlowState,
} from "@xyflow/react";
import { Map as MapIcon, Maximize, ZoomIn, ZoomOut } from "lucide-react";
import { useCallback, useMemo, useState, type KeyboardEvent, type MouseEvent, type ReactNode } from "react";

import { look, mark } from "@/lib/states";
import type { ApplicationDoc } from "./document";
import { linesOf, nodesOf } from "./flow";
import classes from "./graph.module.css";
import { steady } from "./steady";
import { StepEdge, type StepEdgeType } from "./StepEdge";
import { StepNode, type Overlay, type StepNodeType } from "./StepNode";

export const nodeTypes = { step: StepNode };
export const edgeTypes = { step: StepEdge };

/** What every canvas has. Each is a constant: the canvas tells all its parts of a value that is another. */
export const CANVAS = {
  deleteKeyCode: null,
  fitView: true,
  minZoom: 0.1,
  maxZoom: 2,
  proOptions: { hideAttribution: true },
} as const;

const FIT = { padding: 0.15, maxZoom: 1 };
/** Up to so many steps, all are in the page: none has to be made while one pans. */
const MOST_DRAWN = 500;
export const showsAll = (document: ApplicationDoc) => document.steps.length <= MOST_DRAWN;

const FAR = 0.3;
const isFar = (state: ReactFlowState) => state.transform[2] < FAR || undefined;
/** Whether it is so far away that of a step only the name can be read, which then is larger. */
export const useFar = () => useStore(isFar);

/** Zoom, fit and mini-map, in the corner of a canvas. */
export function CanvasTools({
  map,
  setMap,
  children,
}: {
  map: boolean;
  setMap: (shown: boolean) => void;
  children?: ReactNode;
}) {
  const flow = useReactFlow();
  const calm = window.matchMedia("(prefers-reduced-motion: reduce)").matches ? 0 : 200;
  const tool = (label: string, icon: ReactNode, act: () => void, pressed?: boolean) => (
    <Tooltip label={label}>
      <ActionIcon aria-label={label} aria-pressed={pressed} onClick={act}>
        {icon}
      </ActionIcon>
    </Tooltip>
  );
  return (
    <div className={classes.tools} role="toolbar" aria-label="Canvas">
      {tool("Zoom in", <ZoomIn size={15} />, () => void flow.zoomIn({ duration: calm }))}
      {tool("Zoom out", <ZoomOut size={15} />, () => void flow.zoomOut({ duration: calm }))}
      {tool(
        "Fit to the window",
        <Maximize size={15} />,
        () => void flow.fitView({ duration: calm, padding: 0.15 }),
      )}
      {tool("Mini-map", <MapIcon size={15} />, () => setMap(!map), map)}
      {children}
    </div>
  );
}

/** The mini-map, in the colours of the states. */
export function CanvasMap() {
  return (
    <MiniMap<StepNodeType>
      pannable
      zoomable
      ariaLabel="Mini-map"
      style={{ background: "var(--surface)", border: "1px solid var(--line)" }}
      maskColor="color-mix(in srgb, var(--line) 60%, transparent)"
      nodeColor={(node) =>
        node.data.overlay ? mark(look(node.data.overlay.state).tone) : "var(--line-strong)"
      }
    />
  );
}

interface Props {
  document: ApplicationDoc;
  overlay?: Record<string, Overlay> | undefined;
  selected?: string | null;
  select?: (name: string | null) => void;
  menu?: ((name: string, at: { x: number; y: number }) => void) | undefined;
  /** What the graph shows, for screen readers. */
  label: string;
}

function Canvas({ document, overlay, selected, select, menu, label }: Props) {
  const [map, setMap] = useState(document.steps.length > 25);
  const [steadyNodes] = useState(() => steady<StepNodeType>());
  const [steadyEdges] = useState(() => steady<StepEdgeType>());
  const choose = useCallbackRef(select);
  const open = useCallbackRef(menu);
  const opens = menu ? open : undefined;
  const nodes = useMemo(
    () => steadyNodes(nodesOf(document, { overlay, selected, menu: opens })),
    [steadyNodes, document, overlay, selected, opens],
  );
  const edges = useMemo(() => steadyEdges(linesOf(document, { overlay })), [steadyEdges, document, overlay]);
  const far = useFar();
  const nodeClicked = useCallback((_: unknown, node: Node) => choose(node.id), [choose]);
  const paneClicked = useCallback(() => choose(null), [choose]);
  const menuWanted = useCallback(
    (event: MouseEvent, node: Node) => {
      event.preventDefault();
      open(node.id, { x: event.clientX, y: event.clientY });
    },
    [open],
  );
  const keys = useCallback(
    (event: KeyboardEvent) => {
      const name = (event.target as HTMLElement).closest<HTMLElement>(".react-flow__node")?.dataset.id;
      if (name && (event.key === "Enter" || event.key === " ")) {
        event.preventDefault();
        choose(name);
      }
    },
    [choose],
  );
  return (
    <ReactFlow<StepNodeType, StepEdgeType>
      {...CANVAS}
      className={classes.canvas}
      data-far={far}
      nodes={nodes}
      edges={edges}
      nodeTypes={nodeTypes}
      edgeTypes={edgeTypes}
      onNodeClick={nodeClicked}
      onPaneClick={paneClicked}
      {...(menu ? { onNodeContextMenu: menuWanted } : {})}
      onKeyDown={keys}
      nodesConnectable={false}
      edgesFocusable={false}
      fitViewOptions={FIT}
      onlyRenderVisibleElements={!showsAll(document)}
      aria-label={label}
    >
      {map ? <CanvasMap /> : null}
      <CanvasTools map={map} setMap={setMap} />
    </ReactFlow>
  );
}

/** An application's graph to look at, with what a run made of it. Steps are reached by Tab and opened by Enter. */
export default function GraphView(props: Props) {
  return (
    <ReactFlowProvider>
      <Canvas {...props} />
    </ReactFlowProvider>
  );
}
