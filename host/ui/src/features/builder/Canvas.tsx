import "@xyflow/react/dist/style.css";

import { ActionIcon, Tooltip } from "@mantine/core";
import { useCallbackRef } from "@mantine/hooks";
import {
  applyNodeChanges,
  Background,
  ReactFlow,
  useReactFlow,
  type Connection,
  type Edge,
  type Node,
  type NodeChange,
} from "@xyflow/react";
import { LayoutGrid, RotateCw } from "lucide-react";
import {
  memo,
  useCallback,
  useMemo,
  useState,
  type DragEvent,
  type KeyboardEvent,
  type MouseEvent,
} from "react";

import { edgesOf, type StepEntry } from "@/features/graph/document";
import { linesOf, nodesOf } from "@/features/graph/flow";
import classes from "@/features/graph/graph.module.css";
import {
  CANVAS,
  CanvasMap,
  CanvasTools,
  edgeTypes,
  nodeTypes,
  showsAll,
  useFar,
} from "@/features/graph/GraphView";
import { arrange, directionOf, NODE, positionsOf } from "@/features/graph/layout";
import { steady } from "@/features/graph/steady";
import type { StepEdgeType } from "@/features/graph/StepEdge";
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

const SNAP: [number, number] = [8, 8];
const FIT = { padding: 0.2, maxZoom: 1 };
const joinsTwo = (connection: Connection | Edge) => connection.source !== connection.target;

/** Puts steps somewhere: one change to take back, however far they were dragged. */
function usePlace(): (moved: Node[]) => void {
  const document = useBuilder((state) => state.document);
  const change = useBuilder((state) => state.change);
  return useCallbackRef((moved: Node[]) => {
    const next = Object.fromEntries(
      moved.map((node) => [node.id, { x: Math.round(node.position.x), y: Math.round(node.position.y) }]),
    );
    const positions = { ...positionsOf(document), ...next };
    change(
      { ...document, layout: { ...document.layout, direction: directionOf(document), positions } },
      `move ${moved.map((node) => node.id).join()}`,
    );
  });
}

/** The nodes; while some are dragged, only the canvas knows where they are, and then the document does. */
function useMoving(made: StepNodeType[]) {
  const [moving, setMoving] = useState<{ of: StepNodeType[]; nodes: StepNodeType[] } | null>(null);
  const moved = useCallback(
    (changes: NodeChange<StepNodeType>[]) => {
      const places = changes.filter((each) => each.type === "position");
      if (places.length > 0)
        setMoving((old) => ({
          of: made,
          nodes: applyNodeChanges(places, old?.of === made ? old.nodes : made),
        }));
    },
    [made],
  );
  return { nodes: moving?.of === made ? moving.nodes : made, moved };
}

/** Keys on a step or an edge: choose, open its menu, delete, move by Alt or Shift and an arrow. */
function useKeys(made: StepNodeType[], menu: Props["menu"], place: (moved: Node[]) => void) {
  const document = useBuilder((state) => state.document);
  const selected = useBuilder((state) => state.selected);
  const edge = useBuilder((state) => state.edge);
  const change = useBuilder((state) => state.change);
  const select = useBuilder((state) => state.select);
  return useCallbackRef((event: KeyboardEvent) => {
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
  });
}

function BuilderCanvas({ menu, ask, join, drop, faultsOf }: Props) {
  const document = useBuilder((state) => state.document);
  const selected = useBuilder((state) => state.selected);
  const edge = useBuilder((state) => state.edge);
  const change = useBuilder((state) => state.change);
  const select = useBuilder((state) => state.select);
  const selectEdge = useBuilder((state) => state.selectEdge);
  const flow = useReactFlow<StepNodeType>();
  const [map, setMap] = useState(document.steps.length > 25 && document.steps.length <= 150);
  const [steadyNodes] = useState(() => steady<StepNodeType>());
  const [steadyEdges] = useState(() => steady<StepEdgeType>());
  const plus = useCallbackRef((name: string, at: { x: number; y: number }) => ask({ after: name }, at));
  const plusEdge = useCallbackRef((id: string, at: { x: number; y: number }) => ask({ edge: id }, at));
  const made = useMemo(
    () => steadyNodes(nodesOf(document, { faults: faultsOf, selected, editable: true, menu, plus })),
    [steadyNodes, document, faultsOf, selected, menu, plus],
  );
  const edges = useMemo(
    () => steadyEdges(linesOf(document, { plus: plusEdge, selected: edge })),
    [steadyEdges, document, plusEdge, edge],
  );
  const { nodes, moved } = useMoving(made);
  const place = usePlace();
  const keys = useKeys(made, menu, place);
  const far = useFar();
  const direction = directionOf(document);

  const layOut = (to: "LR" | "TB") => {
    change({ ...document, layout: { ...document.layout, direction: to, positions: arrange(document, to) } });
    window.setTimeout(() => void flow.fitView({ padding: 0.15, maxZoom: 1 }), 50);
  };
  const dropped = useCallbackRef((event: DragEvent) => {
    const text = event.dataTransfer.getData(DRAGGED);
    if (!text) return;
    event.preventDefault();
    const at = flow.screenToFlowPosition({ x: event.clientX, y: event.clientY });
    drop(JSON.parse(text) as StepEntry, {
      x: Math.round(at.x - NODE.width / 2),
      y: Math.round(at.y - NODE.height / 2),
    });
  });
  const dragStopped = useCallback((_: unknown, __: unknown, all: Node[]) => place(all), [place]);
  const selectionStopped = useCallback((_: unknown, all: Node[]) => place(all), [place]);
  const nodeClicked = useCallback((_: unknown, node: Node) => select(node.id), [select]);
  const edgeClicked = useCallback((_: unknown, line: Edge) => selectEdge(line.id), [selectEdge]);
  const paneClicked = useCallback(() => select(null), [select]);
  const joined = useCallbackRef((connection: Connection) => join(connection.source, connection.target));
  const menuWanted = useCallbackRef((event: MouseEvent, node: Node) => {
    event.preventDefault();
    menu(node.id, { x: event.clientX, y: event.clientY });
  });
  const draggedOver = useCallback((event: DragEvent) => {
    if (event.dataTransfer.types.includes(DRAGGED)) event.preventDefault();
  }, []);
  return (
    <ReactFlow<StepNodeType, StepEdgeType>
      {...CANVAS}
      className={classes.canvas}
      data-far={far}
      nodes={nodes}
      edges={edges}
      nodeTypes={nodeTypes}
      edgeTypes={edgeTypes}
      onNodesChange={moved}
      onNodeDragStop={dragStopped}
      onSelectionDragStop={selectionStopped}
      onNodeClick={nodeClicked}
      onEdgeClick={edgeClicked}
      onPaneClick={paneClicked}
      onConnect={joined}
      isValidConnection={joinsTwo}
      onNodeContextMenu={menuWanted}
      onDragOver={draggedOver}
      onDrop={dropped}
      onKeyDown={keys}
      disableKeyboardA11y
      fitViewOptions={FIT}
      snapToGrid
      snapGrid={SNAP}
      onlyRenderVisibleElements={!showsAll(document)}
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

/** The canvas of the builder. */
export const Canvas = memo(BuilderCanvas);
