package chuanyu.client;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.charset.StandardCharsets;
import java.nio.file.FileSystems;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.nio.file.StandardOpenOption;
import java.nio.file.attribute.FileAttribute;
import java.nio.file.attribute.PosixFilePermissions;
import java.util.List;
import java.util.Set;

/** Files of lines that outlive a power cut: a line is on disk before append returns, and one without its end counts for nothing. */
final class Lines {
    private Lines() {}

    /** What was being written when the power failed is not among the lines, and nobody was promised it. */
    static List<String> whole(Path path) throws IOException {
        if (!Files.exists(path)) return List.of();
        var text = Files.readString(path, StandardCharsets.ISO_8859_1);
        return text.substring(0, text.lastIndexOf('\n') + 1).lines().toList();
    }

    /** How many bytes these lines have, however they end. */
    static long wholeSize(Path path) throws IOException {
        return Files.exists(path) ? Files.readString(path, StandardCharsets.ISO_8859_1).lastIndexOf('\n') + 1 : 0;
    }

    static void append(FileChannel file, List<String> lines) throws IOException {
        long size = file.size();
        var bytes = ByteBuffer.wrap((String.join("\n", lines) + "\n").getBytes(StandardCharsets.ISO_8859_1));
        try {
            while (bytes.hasRemaining()) file.write(bytes);
            file.force(true);
        } catch (IOException error) {
            // Half a line, as on a full disk, would spoil the next.
            file.truncate(size);
            throw error;
        }
    }

    /** Opens a file to write at its end, and makes it, for its owner alone, where there is none. */
    static FileChannel open(Path path, StandardOpenOption... more) throws IOException {
        var options = new java.util.HashSet<StandardOpenOption>(Set.of(StandardOpenOption.CREATE, StandardOpenOption.WRITE));
        options.addAll(List.of(more));
        boolean isPosix = FileSystems.getDefault().supportedFileAttributeViews().contains("posix");
        var owner = PosixFilePermissions.asFileAttribute(PosixFilePermissions.fromString("rw-------"));
        return FileChannel.open(path, options, isPosix ? new FileAttribute<?>[] {owner} : new FileAttribute<?>[0]);
    }

    /** Puts lines in the place of a file, whole or not at all. */
    static void replace(Path path, List<String> lines) throws IOException {
        var fresh = path.resolveSibling(path.getFileName() + ".new");
        try (var file = open(fresh, StandardOpenOption.TRUNCATE_EXISTING)) {
            append(file, lines);
        }
        Files.move(fresh, path, StandardCopyOption.ATOMIC_MOVE);
        try (var folder = FileChannel.open(path.toAbsolutePath().getParent(), StandardOpenOption.READ)) {
            folder.force(true);
        }
    }
}
