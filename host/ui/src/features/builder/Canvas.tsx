import "@xyflow/react/dist/style.css";

import { ActionIcon, Tooltip } from "@mantine/core";
import {
  applyNodeChanges,
  Background,
  ReactFlow,
  useReactFlow,
  type Connection,
  type NodeChange,
} from "@xyflow/react";
import { LayoutGrid, RotateCw } from "lucide-react";
import { useCallback, useEffect, useMemo, useState, type DragEvent } from "react";

import { edgesOf, type StepEntry } from "@/features/graph/document";
import { linesOf, nodesOf } from "@/features/graph/flow";
import classes from "@/features/graph/graph.module.css";
import { CanvasMap, CanvasTools, edgeTypes, nodeTypes } from "@/features/graph/GraphView";
import { arrange, NODE, positionsOf } from "@/features/graph/layout";
import type { StepNodeType } from "@/features/graph/StepNode";
import { disconnect, removeSteps } from "./edit";
import { DRAGGED } from "./Registry";
import { useBuilder } from "./store";

interface Props {
  /** Opens a step's menu. */
  menu: (name: string, at: { x: number; y: number }) => void;
  /** Asks for a step to add behind another or into an edge. */
  ask: (where: { after?: string; edge?: string }, at: { x: number; y: number }) => void;
  /** Leads from a step to another; asks in which way where there are several. */
  join: (from: string, to: string) => void;
  drop: (entry: StepEntry, at: { x: number; y: number }) => void;
  faultsOf: Record<string, number>;
}

/** The canvas of the builder. */
export function Canvas({ menu, ask, join, drop, faultsOf }: Props) {
  const document = useBuilder((state) => state.document);
  const selected = useBuilder((state) => state.selected);
  const edge = useBuilder((state) => state.edge);
  const { change, select, selectEdge } = useBuilder((state) => state);
  const flow = useReactFlow<StepNodeType>();
  const [map, setMap] = useState(document.steps.length > 25 && document.steps.length <= 150);
  const plus = useCallback((name: string, at: { x: number; y: number }) => ask({ after: name }, at), [ask]);
  const plusEdge = useCallback((id: string, at: { x: number; y: number }) => ask({ edge: id }, at), [ask]);
  const made = useMemo(
    () => nodesOf(document, { faults: faultsOf, selected, editable: true, menu, plus }),
    [document, faultsOf, selected, menu, plus],
  );
  // While something is dragged, only the canvas knows where it is; then the document does.
  const [moving, setMoving] = useState<StepNodeType[] | null>(null);
  const nodes = moving ?? made;
  const edges = useMemo(
    () => linesOf(document, { plus: plusEdge, selected: edge }),
    [document, plusEdge, edge],
  );
  const { direction } = positionsOf(document);

  useEffect(() => {
    setMoving(null);
  }, [made]);

  const changed = (changes: NodeChange<StepNodeType>[]) => {
    if (changes.some((each) => each.type === "position"))
      setMoving((old) => applyNodeChanges(changes, old ?? made));
  };
  const place = (moved: StepNodeType[]) => {
    const { positions } = positionsOf(document);
    const next = Object.fromEntries(
      moved.map((node) => [node.id, { x: Math.round(node.position.x), y: Math.round(node.position.y) }]),
    );
    change(
      { ...document, layout: { ...document.layout, direction, positions: { ...positions, ...next } } },
      `move ${moved.map((node) => node.id).join()}`,
    );
  };
  const layOut = (to: "LR" | "TB") => {
    change({ ...document, layout: { ...document.layout, direction: to, positions: arrange(document, to) } });
    window.setTimeout(() => void flow.fitView({ padding: 0.15, maxZoom: 1 }), 50);
  };
  const dropped = (event: DragEvent) => {
    const text = event.dataTransfer.getData(DRAGGED);
    if (!text) return;
    event.preventDefault();
    const at = flow.screenToFlowPosition({ x: event.clientX, y: event.clientY });
    drop(JSON.parse(text) as StepEntry, {
      x: Math.round(at.x - NODE.width / 2),
      y: Math.round(at.y - NODE.height / 2),
    });
  };
  return (
    <ReactFlow<StepNodeType>
      className={classes.canvas}
      nodes={nodes}
      edges={edges}
      nodeTypes={nodeTypes}
      edgeTypes={edgeTypes}
      onNodesChange={changed}
      onNodeDragStop={(_, __, moved) => place(moved)}
      onSelectionDragStop={(_, moved) => place(moved)}
      onNodeClick={(_, node) => select(node.id)}
      onEdgeClick={(_, line) => selectEdge(line.id)}
      onPaneClick={() => select(null)}
      onConnect={(connection: Connection) => join(connection.source, connection.target)}
      isValidConnection={(connection) => connection.source !== connection.target}
      onNodeContextMenu={(event, node) => {
        event.preventDefault();
        menu(node.id, { x: event.clientX, y: event.clientY });
      }}
      onDragOver={(event) => {
        if (event.dataTransfer.types.includes(DRAGGED)) event.preventDefault();
      }}
      onDrop={dropped}
      onKeyDown={(event) => {
        const target = event.target as HTMLElement;
        const name = target.closest<HTMLElement>(".react-flow__node")?.dataset.id;
        const line = target.closest<HTMLElement>(".react-flow__edge")?.dataset.id ?? edge;
        if (target.closest("button,input,textarea")) return;
        if (name && (event.key === "Enter" || event.key === " ")) {
          event.preventDefault();
          select(name);
        } else if (name && event.key === "m") {
          const box = target.getBoundingClientRect();
          menu(name, { x: box.left + 20, y: box.bottom });
        } else if (event.key === "Delete" || event.key === "Backspace") {
          event.preventDefault();
          const found = edgesOf(document).find((each) => each.id === line);
          const gone = name ?? selected;
          if (gone) change(removeSteps(document, [gone]));
          else if (found) change(disconnect(document, found));
          select(null);
        } else if (name && event.key.startsWith("Arrow") && (event.altKey || event.shiftKey)) {
          event.preventDefault();
          event.stopPropagation();
          const node = made.find((each) => each.id === name);
          const by = event.shiftKey ? 40 : 8;
          const x = event.key === "ArrowLeft" ? -by : event.key === "ArrowRight" ? by : 0;
          const y = event.key === "ArrowUp" ? -by : event.key === "ArrowDown" ? by : 0;
          if (node) place([{ ...node, position: { x: node.position.x + x, y: node.position.y + y } }]);
        }
      }}
      disableKeyboardA11y
      deleteKeyCode={null}
      fitView
      fitViewOptions={{ padding: 0.2, maxZoom: 1 }}
      minZoom={0.1}
      maxZoom={2}
      snapToGrid
      snapGrid={[8, 8]}
      onlyRenderVisibleElements={document.steps.length > 60}
      proOptions={{ hideAttribution: true }}
      aria-label="Canvas"
    >
      {document.steps.length > 100 ? null : <Background gap={16} size={1} color="var(--line)" />}
      {map ? <CanvasMap /> : null}
      <CanvasTools map={map} setMap={setMap}>
        <Tooltip label="Arrange">
          <ActionIcon aria-label="Arrange" onClick={() => layOut(direction)}>
            <LayoutGrid size={15} />
          </ActionIcon>
        </Tooltip>
        <Tooltip label="Rotate">
          <ActionIcon aria-label="Rotate" onClick={() => layOut(direction === "LR" ? "TB" : "LR")}>
            <RotateCw size={15} />
          </ActionIcon>
        </Tooltip>
      </CanvasTools>
    </ReactFlow>
  );
}
