import { SegmentedControl } from "@mantine/core";

import { useParams } from "@/lib/search";
import { PageHead } from "@/ui/Page";
import { SearchBox } from "@/ui/SearchBox";
import { ScheduleList } from "./ScheduleList";
import { Week } from "./Week";

export function Page() {
  const [params, setParams] = useParams();
  const view = params.view ?? "list";
  return (
    <>
      <PageHead title="Schedules">
        {view === "list" ? <SearchBox label="Search schedules" /> : null}
        <SegmentedControl
          aria-label="View"
          value={view}
          onChange={(value) => setParams({ view: value })}
          data={[
            { value: "list", label: "List" },
            { value: "week", label: "Week" },
          ]}
        />
      </PageHead>
      {view === "week" ? <Week /> : <ScheduleList />}
    </>
  );
}
