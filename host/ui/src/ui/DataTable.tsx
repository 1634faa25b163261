import {
  ActionIcon,
  Button,
  Checkbox,
  Group,
  Menu,
  Table,
  Text,
  UnstyledButton,
  VisuallyHidden,
} from "@mantine/core";
import {
  flexRender,
  getCoreRowModel,
  useReactTable,
  type ColumnDef,
  type RowSelectionState,
  type VisibilityState,
} from "@tanstack/react-table";
import {
  ArrowDown,
  ArrowUp,
  ChevronsUpDown,
  Columns3,
  EllipsisVertical,
  type LucideIcon,
} from "lucide-react";
import { useState, type KeyboardEvent, type MouseEvent, type ReactNode } from "react";

import { useParams } from "@/lib/search";
import { ContextMenu } from "./ContextMenu";
import classes from "./DataTable.module.css";
import { Loading, ProblemAlert } from "./states";

/** What can be done with a row. */
export interface RowAction {
  label: string;
  icon?: LucideIcon;
  danger?: boolean;
  /** Why it cannot be done, for a disabled one. */
  disabled?: string | null;
  run: () => void;
}

/** A column. `sort` is the value of the address's `sort` that orders by it. */
export type Column<T> = ColumnDef<T> & {
  id: string;
  header: string;
  meta?: {
    sort?: string;
    filter?: ReactNode;
    align?: "left" | "right";
    width?: number | string;
    hidden?: boolean;
  };
};

interface Props<T> {
  /** What the table shows, for screen readers. */
  label: string;
  columns: Column<T>[];
  rows: T[] | undefined;
  rowId: (row: T) => string;
  error?: unknown;
  retry?: () => void;
  /** Shown in the place of rows when there are none. */
  empty: ReactNode;
  /** Opens a row, by click and by Enter. */
  open?: (row: T) => void;
  actions?: (row: T) => RowAction[];
  /** What acts on several rows; shown while some are chosen. */
  bulk?: (chosen: T[], clear: () => void) => ReactNode;
  /** Reads the next page behind the rows; not given when there is none. */
  more?: (() => void) | undefined;
  loadingMore?: boolean;
  /** How many there are altogether, where that is known. */
  total?: number | undefined;
}

/**
 * A list that the service pages, sorts and filters. The order (`sort`, `order`) and hidden columns
 * (`columns`) stand in the address.
 */
export function DataTable<T>(props: Props<T>) {
  const { label, columns, rows, rowId, error, retry, empty, open, actions, bulk, more, loadingMore, total } =
    props;
  const [params, setParams] = useParams();
  const [selection, setSelection] = useState<RowSelectionState>({});
  const [context, setContext] = useState<{ x: number; y: number; row: T } | null>(null);
  const hidden = new Set(
    params.columns?.split(",") ?? columns.filter((each) => each.meta?.hidden).map((each) => each.id),
  );
  const visibility: VisibilityState = Object.fromEntries(
    columns.map((each) => [each.id, !hidden.has(each.id)]),
  );

  // The library's values change beneath the compiler's feet; it leaves this component alone.
  // eslint-disable-next-line react-hooks/incompatible-library
  const table = useReactTable({
    data: rows ?? [],
    columns,
    getRowId: rowId,
    getCoreRowModel: getCoreRowModel(),
    manualSorting: true,
    manualFiltering: true,
    manualPagination: true,
    enableRowSelection: Boolean(bulk),
    onRowSelectionChange: setSelection,
    state: { columnVisibility: visibility, rowSelection: selection },
  });

  if (error && !rows) return <ProblemAlert error={error} retry={retry} />;
  if (!rows) return <Loading rows={8} />;

  const chosen = table.getSelectedRowModel().rows.map((row) => row.original);
  const metaOf = (id: string) => columns.find((each) => each.id === id)?.meta;
  const toggle = (id: string) => {
    const next = new Set(hidden);
    if (!next.delete(id)) next.add(id);
    setParams({ columns: [...next].join(",") || "none" });
  };
  const sortBy = (key: string) => {
    if (params.sort !== key) setParams({ sort: key, order: "asc" });
    else if (params.order === "desc") setParams({ sort: undefined, order: undefined });
    else setParams({ order: "desc" });
  };
  const key = (event: KeyboardEvent, row: T) => {
    if (event.target !== event.currentTarget) return;
    if (event.key === "Enter") open?.(row);
    const step =
      event.key === "ArrowDown"
        ? "nextElementSibling"
        : event.key === "ArrowUp"
          ? "previousElementSibling"
          : null;
    if (step) {
      event.preventDefault();
      (event.currentTarget[step] as HTMLElement | null)?.focus();
    }
  };
  const click = (event: MouseEvent, row: T) => {
    // A link or button in the row does its own; marked text is not a click.
    if (
      (event.target as HTMLElement).closest("a,button,input,label,[role=menuitem]") ||
      window.getSelection()?.toString()
    )
      return;
    open?.(row);
  };
  const menuOf = (row: T) =>
    actions?.(row).map((action) => (
      <Menu.Item
        key={action.label}
        disabled={Boolean(action.disabled)}
        title={action.disabled ?? undefined}
        c={action.danger ? "var(--state-failed-text)" : undefined}
        leftSection={action.icon ? <action.icon size={14} aria-hidden /> : null}
        onClick={action.run}
      >
        {action.label}
      </Menu.Item>
    ));

  return (
    <div>
      <Group justify="space-between" mb={4} mih={30}>
        <Group gap="sm" role="status">
          {bulk && chosen.length > 0 ? (
            <>
              <Text fz="sm" fw={500}>
                {chosen.length} selected
              </Text>
              {bulk(chosen, () => setSelection({}))}
              <Button variant="subtle" color="gray" onClick={() => setSelection({})}>
                Clear
              </Button>
            </>
          ) : (
            <Text fz="xs" c="dimmed">
              {total === undefined ? `${rows.length}${more ? "+" : ""}` : `${rows.length} of ${total}`}
            </Text>
          )}
        </Group>
        <Menu closeOnItemClick={false}>
          <Menu.Target>
            <ActionIcon aria-label="Columns">
              <Columns3 size={15} />
            </ActionIcon>
          </Menu.Target>
          <Menu.Dropdown>
            {columns.slice(1).map((each) => (
              <Menu.Item
                key={each.id}
                aria-label={`${hidden.has(each.id) ? "Show" : "Hide"} ${each.header}`}
                onClick={() => toggle(each.id)}
                leftSection={<Checkbox.Indicator size="xs" checked={!hidden.has(each.id)} />}
              >
                {each.header}
              </Menu.Item>
            ))}
          </Menu.Dropdown>
        </Menu>
      </Group>
      {error ? <ProblemAlert error={error} retry={retry} /> : null}
      <Table.ScrollContainer minWidth={640} type="native">
        <Table highlightOnHover={Boolean(open)} aria-label={label} className={classes.table}>
          <Table.Thead>
            {table.getHeaderGroups().map((group) => (
              <Table.Tr key={group.id}>
                {bulk ? (
                  <Table.Th w={32}>
                    <Checkbox
                      aria-label="Select all"
                      checked={table.getIsAllRowsSelected()}
                      indeterminate={table.getIsSomeRowsSelected()}
                      onChange={table.getToggleAllRowsSelectedHandler()}
                    />
                  </Table.Th>
                ) : null}
                {group.headers.map((header) => {
                  const meta = metaOf(header.column.id);
                  const sorted =
                    meta?.sort !== undefined && params.sort === meta.sort
                      ? params.order === "desc"
                        ? "descending"
                        : "ascending"
                      : undefined;
                  const Arrow =
                    sorted === "descending" ? ArrowDown : sorted === "ascending" ? ArrowUp : ChevronsUpDown;
                  const text = flexRender(header.column.columnDef.header, header.getContext());
                  return (
                    <Table.Th key={header.id} w={meta?.width} ta={meta?.align} aria-sort={sorted}>
                      <Group gap={2} wrap="nowrap" justify={meta?.align === "right" ? "flex-end" : undefined}>
                        {meta?.sort === undefined ? (
                          text
                        ) : (
                          <UnstyledButton className={classes.sort} onClick={() => sortBy(meta.sort ?? "")}>
                            {text}
                            <Arrow size={12} aria-hidden opacity={sorted ? 1 : 0.45} />
                          </UnstyledButton>
                        )}
                        {meta?.filter}
                      </Group>
                    </Table.Th>
                  );
                })}
                {actions ? (
                  <Table.Th w={40}>
                    <VisuallyHidden>Actions</VisuallyHidden>
                  </Table.Th>
                ) : null}
              </Table.Tr>
            ))}
          </Table.Thead>
          <Table.Tbody>
            {table.getRowModel().rows.map((row) => (
              <Table.Tr
                key={row.id}
                tabIndex={open ? 0 : undefined}
                data-row={row.id}
                className={open ? classes.row : undefined}
                onClick={(event) => click(event, row.original)}
                onKeyDown={(event) => key(event, row.original)}
                onContextMenu={(event) => {
                  if (!actions) return;
                  event.preventDefault();
                  setContext({ x: event.clientX, y: event.clientY, row: row.original });
                }}
              >
                {bulk ? (
                  <Table.Td>
                    <Checkbox
                      aria-label={`Select ${row.id}`}
                      checked={row.getIsSelected()}
                      onChange={row.getToggleSelectedHandler()}
                    />
                  </Table.Td>
                ) : null}
                {row.getVisibleCells().map((cell) => (
                  <Table.Td key={cell.id} ta={metaOf(cell.column.id)?.align}>
                    {flexRender(cell.column.columnDef.cell, cell.getContext())}
                  </Table.Td>
                ))}
                {actions ? (
                  <Table.Td>
                    <Menu>
                      <Menu.Target>
                        <ActionIcon aria-label={`Actions of ${row.id}`}>
                          <EllipsisVertical size={15} />
                        </ActionIcon>
                      </Menu.Target>
                      <Menu.Dropdown>{menuOf(row.original)}</Menu.Dropdown>
                    </Menu>
                  </Table.Td>
                ) : null}
              </Table.Tr>
            ))}
          </Table.Tbody>
        </Table>
      </Table.ScrollContainer>
      {rows.length === 0 ? empty : null}
      {more ? (
        <Group justify="center" mt="sm">
          <Button variant="default" onClick={more} loading={loadingMore ?? false}>
            Show more
          </Button>
        </Group>
      ) : null}
      {context ? (
        <ContextMenu at={context} close={() => setContext(null)}>
          {menuOf(context.row)}
        </ContextMenu>
      ) : null}
    </div>
  );
}
