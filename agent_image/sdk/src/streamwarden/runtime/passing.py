"""Where to read on in each partition of the inputs, and which record stands for what is passed over there."""

from collections.abc import Collection

from streamwarden_kafka.positions import Positions

from streamwarden.core.records import Partition, Record, UnreadableBatch
from streamwarden.runtime.consumers import Collected


class Passing(Positions[Partition]):
    """Follows what was collected, and puts a record in the place of each batch that cannot be read."""

    def listen(self, collected: Collected, *, drained: bool, paused: Collection[Partition] = ()) -> None:
        """Add to what is unreadable the partitions of which the client gives nothing, as it cannot parse what is next.

        Args:
            collected: what the client gave.
            drained: whether that was all that it had.
            paused: what it was not asked for.
        """
        heard = {*(record.at for record in collected.records), *(at for at, _ in collected.ends), *paused}
        collected.unreadable |= self.find_silent(heard, drained=drained)

    def follow(self, collected: Collected) -> list[Record]:
        """Move on behind what was read, and behind each batch that could not be.

        Where the end of one is not known, its partition stays before it: it is tried again.

        Returns:
            A record in the place of each batch that is passed over.
        """
        for record in collected.records:
            self.move(record.at, record.offset + 1)
        for at in collected.gone:
            self.stop(at)
        records = list[Record]()
        for at, why in collected.unreadable.items():
            if at in self.positions and (passed := self.pass_over(at, why)) is not None:
                batch, topic_id = UnreadableBatch(passed.last, why), collected.topic_ids.get(at.topic, "")
                records.append(Record(*at, passed.first, 0, None, None, (), topic_id, batch))
        return records
