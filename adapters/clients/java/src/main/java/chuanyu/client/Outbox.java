package chuanyu.client;

import java.io.IOException;
import java.nio.channels.FileChannel;
import java.nio.channels.FileLock;
import java.nio.channels.OverlappingFileLockException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.ArrayList;
import java.util.Base64;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;

/** Durable numbering: an event gets its number here, once, on disk, before anyone is answered. The format is that of docs/clients.md. */
public final class Outbox implements AutoCloseable {
    private static final String HEAD = "chuanyu-outbox 1";

    /** An event's number, and whether it is new: a key seen before keeps its number and is not added again. */
    public record Numbered(long sequence, boolean isNew) {}

    /** How far a feed is. */
    public record State(long next, long acknowledged) {}

    /** The file is not an outbox or lacks what it must have, another process has it, or the hub is not the one that it was sent to. */
    public static final class Unusable extends RuntimeException {
        Unusable(String words) {
            super(words);
        }
    }

    private static final class Feed {
        long next = 1;
        long acknowledged;
        final Map<String, Long> keys = new HashMap<>();
        final TreeMap<Long, byte[]> pending = new TreeMap<>();
        final TreeMap<Long, String> quarantined = new TreeMap<>();
    }

    private final Path path;
    private final Map<String, Feed> feeds = new TreeMap<>();
    private final FileChannel locked;
    private final FileChannel file;

    public Outbox(Path path) throws IOException {
        this.path = path.toAbsolutePath();
        locked = Lines.open(beside(".lock"));
        try {
            if (lock() == null) throw new Unusable(path + " is in use by another process");
            if (Files.exists(path)) read();
            rewrite();
            file = FileChannel.open(path, StandardOpenOption.APPEND);
        } catch (IOException | RuntimeException error) {
            locked.close();
            throw error;
        }
    }

    private FileLock lock() throws IOException {
        try {
            return locked.tryLock();
        } catch (OverlappingFileLockException error) {
            return null;
        }
    }

    private Path beside(String ending) {
        return path.resolveSibling(path.getFileName() + ending);
    }

    private Feed feed(String name) {
        return feeds.computeIfAbsent(name, none -> new Feed());
    }

    private void read() throws IOException {
        var lines = Lines.whole(path);
        if (lines.isEmpty() || !lines.get(0).equals(HEAD)) throw new Unusable(path + " does not begin with \"" + HEAD + "\"");
        for (int index = 1; index < lines.size(); index++) {
            boolean follows;
            try {
                follows = follows(lines.get(index).split(" "));
            } catch (IndexOutOfBoundsException | IllegalArgumentException error) {
                throw new Unusable(path + ": line " + (index + 1) + " is cut or changed");
            }
            if (!follows) throw new Unusable(path + ": line " + (index + 1) + " does not follow");
        }
    }

    private boolean follows(String[] part) {
        var feed = feed(part[1]);
        long number = Long.parseLong(part[2]);
        switch (part[0]) {
            case "E" -> {
                if (number != feed.next) return false;
                feed.pending.put(number, Base64.getDecoder().decode(part[4]));
                feed.keys.put(unpacked(part[3]), number);
                feed.next = number + 1;
            }
            case "K" -> feed.keys.put(unpacked(part[3]), number);
            case "Q" -> feed.quarantined.put(number, unpacked(part[3]));
            case "N" -> {
                feed.next = number;
                feed.acknowledged = number - 1;
            }
            case "A" -> {
                if (number >= feed.next) return false;
                acknowledged(feed, number);
            }
            default -> throw new IllegalArgumentException(part[0]);
        }
        return true;
    }

    private static void acknowledged(Feed feed, long through) {
        feed.pending.headMap(through, true).clear();
        feed.acknowledged = Math.max(feed.acknowledged, through);
    }

    /** Leaves out what the hub has, but for keys and numbers: those are kept for good. */
    private void rewrite() throws IOException {
        var lines = new ArrayList<>(List.of(HEAD));
        feeds.forEach((name, feed) -> {
            var keys = new HashMap<Long, String>();
            feed.keys.forEach((key, number) -> keys.put(number, key));
            feed.keys.forEach((key, number) -> {
                if (number <= feed.acknowledged) lines.add("K " + name + " " + number + " " + packed(key));
            });
            feed.quarantined.forEach((number, rules) -> lines.add("Q " + name + " " + number + " " + packed(rules)));
            lines.add("N " + name + " " + (feed.acknowledged + 1));
            feed.pending.forEach((number, event) -> lines.add(line(name, number, keys.get(number), event)));
        });
        Lines.replace(path, lines);
    }

    private static String line(String name, long number, String key, byte[] event) {
        return "E " + name + " " + number + " " + packed(key) + " " + Base64.getEncoder().encodeToString(event);
    }

    /** An event with its source key. */
    public record Item(String key, byte[] event) {}

    /** Numbers events under their source keys, in order, with one flush for all; a key seen before keeps its number. */
    public synchronized List<Numbered> put(String name, List<Item> items) throws IOException {
        var feed = feed(name);
        var added = new LinkedHashMap<String, Long>();
        var numbered = new ArrayList<Numbered>();
        var lines = new ArrayList<String>();
        for (var item : items) {
            var known = feed.keys.getOrDefault(item.key, added.get(item.key));
            long number = known == null ? feed.next + added.size() : known;
            if (known == null) {
                added.put(item.key, number);
                lines.add(line(name, number, item.key, item.event));
            }
            numbered.add(new Numbered(number, known == null));
        }
        if (!lines.isEmpty()) Lines.append(file, lines);
        for (int index = 0; index < numbered.size(); index++) {
            if (numbered.get(index).isNew) feed.pending.put(numbered.get(index).sequence, items.get(index).event);
        }
        feed.keys.putAll(added);
        feed.next += added.size();
        notifyAll();
        return numbered;
    }

    /** Returns events from a number on, as many as go into a batch. */
    synchronized List<byte[]> pending(String name, long from, int limit, int mostBytes) {
        var rows = new ArrayList<byte[]>();
        long size = 0;
        for (var event : feed(name).pending.tailMap(from, true).values()) {
            size += event.length;
            if (rows.size() == limit || !rows.isEmpty() && size > mostBytes) break;
            rows.add(event);
        }
        return rows;
    }

    synchronized void acknowledge(String name, long through, Map<Long, String> quarantined) throws IOException {
        var feed = feed(name);
        if (through <= feed.acknowledged) return;
        if (through >= feed.next) throw new Unusable("feed " + name + ": acknowledged " + through + ", handed out up to " + (feed.next - 1));
        var lines = new ArrayList<String>();
        quarantined.forEach((number, rules) -> lines.add("Q " + name + " " + number + " " + packed(rules)));
        lines.add("A " + name + " " + through);
        Lines.append(file, lines);
        feed.quarantined.putAll(quarantined);
        acknowledged(feed, through);
        notifyAll();
    }

    /** Returns the rules that a number was quarantined by, empty if it was not. */
    public synchronized String quarantined(String name, long sequence) {
        return feed(name).quarantined.getOrDefault(sequence, "");
    }

    public synchronized State state(String name) {
        var feed = feed(name);
        return new State(feed.next, feed.acknowledged);
    }

    /** Throws Unusable unless a hub that expects *hubNext* can be the one that this was sent to. */
    State checkPair(String name, long hubNext) {
        var state = state(name);
        var facts = "feed " + name + ": hub expects " + hubNext + ", outbox " + state;
        if (hubNext > state.next) throw new Unusable("the hub has numbers that this outbox never handed out: restore the outbox file; " + facts);
        if (hubNext <= state.acknowledged) throw new Unusable("the hub expects a number that it has acknowledged: ask its operators; " + facts);
        return state;
    }

    private static String packed(String text) {
        return Base64.getEncoder().encodeToString(text.getBytes(StandardCharsets.UTF_8));
    }

    private static String unpacked(String text) {
        return new String(Base64.getDecoder().decode(text), StandardCharsets.UTF_8);
    }

    @Override
    public synchronized void close() throws IOException {
        file.close();
        locked.close();
    }
}
