import "@xyflow/react/dist/style.css";

import { ActionIcon, Tooltip } from "@mantine/core";
import { MiniMap, ReactFlow, ReactFlowProvider, useReactFlow } from "@xyflow/react";
import { Map as MapIcon, Maximize, ZoomIn, ZoomOut } from "lucide-react";
import { useMemo, useState, type ReactNode } from "react";

import { look, mark } from "@/lib/states";
import type { ApplicationDoc } from "./document";
import { linesOf, nodesOf } from "./flow";
import classes from "./graph.module.css";
import { StepEdge } from "./StepEdge";
import { StepNode, type Overlay, type StepNodeType } from "./StepNode";

export const nodeTypes = { step: StepNode };
export const edgeTypes = { step: StepEdge };

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
  const nodes = useMemo(
    () => nodesOf(document, { overlay, selected, menu }),
    [document, overlay, selected, menu],
  );
  const edges = useMemo(() => linesOf(document, { overlay }), [document, overlay]);
  return (
    <ReactFlow
      className={classes.canvas}
      nodes={nodes}
      edges={edges}
      nodeTypes={nodeTypes}
      edgeTypes={edgeTypes}
      onNodeClick={(_, node) => select?.(node.id)}
      onPaneClick={() => select?.(null)}
      onNodeContextMenu={(event, node) => {
        if (!menu) return;
        event.preventDefault();
        menu(node.id, { x: event.clientX, y: event.clientY });
      }}
      onKeyDown={(event) => {
        const name = (event.target as HTMLElement).closest<HTMLElement>(".react-flow__node")?.dataset.id;
        if (name && (event.key === "Enter" || event.key === " ")) {
          event.preventDefault();
          select?.(name);
        }
      }}
      nodesConnectable={false}
      edgesFocusable={false}
      deleteKeyCode={null}
      fitView
      fitViewOptions={{ padding: 0.15, maxZoom: 1 }}
      minZoom={0.1}
      maxZoom={2}
      onlyRenderVisibleElements={document.steps.length > 60}
      proOptions={{ hideAttribution: true }}
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
