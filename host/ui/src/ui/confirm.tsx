import { Button, Group, Modal, Stack, Text } from "@mantine/core";
import { useState, type ReactNode } from "react";
import { create } from "zustand";

import { ProblemAlert } from "./states";

interface Question {
  title: string;
  text: ReactNode;
  action: string;
  danger?: boolean;
  /** Does it; the dialog stays open with the problem where it fails. */
  run: () => Promise<unknown>;
}
const useQuestion = create<{ question: Question | null }>(() => ({ question: null }));

/** Asks before something is done that cannot be taken back. */
export function confirm(question: Question): void {
  useQuestion.setState({ question });
}

/** Where {@link confirm} is shown; once in the frame. */
export function ConfirmHost() {
  const question = useQuestion((state) => state.question);
  const [busy, setBusy] = useState(false);
  const [error, setError] = useState<unknown>(null);
  const close = () => {
    setError(null);
    useQuestion.setState({ question: null });
  };
  const act = async () => {
    setBusy(true);
    setError(null);
    try {
      await question?.run();
      close();
    } catch (problem) {
      setError(problem);
    } finally {
      setBusy(false);
    }
  };
  return (
    <Modal opened={question !== null} onClose={close} title={question?.title ?? ""}>
      <Stack gap="md">
        <Text fz="sm" component="div">
          {question?.text}
        </Text>
        {error ? <ProblemAlert error={error} /> : null}
        <Group justify="flex-end" gap="sm">
          <Button variant="default" onClick={close}>
            Cancel
          </Button>
          <Button
            color={question?.danger ? "red" : undefined}
            loading={busy}
            onClick={() => void act()}
            data-autofocus
          >
            {question?.action}
          </Button>
        </Group>
      </Stack>
    </Modal>
  );
}
