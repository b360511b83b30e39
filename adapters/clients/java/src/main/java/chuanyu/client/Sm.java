package chuanyu.client;

import java.math.BigInteger;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.util.Arrays;

/** SM3 (GB/T 32905) and signatures of SM2 with SM3 (GB/T 32918.2) under the signer id 1234567812345678, which the JDK has not. */
final class Sm {
    private static final int[] START = {
        0x7380166f, 0x4914b2b9, 0x172442d7, 0xda8a0600, 0xa96f30bc, 0x163138aa, 0xe38dee4d, 0xb0fb0e4e,
    };
    private static final BigInteger P = number("FFFFFFFEFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFF00000000FFFFFFFFFFFFFFFF");
    private static final BigInteger N = number("FFFFFFFEFFFFFFFFFFFFFFFFFFFFFFFF7203DF6B21C6052B53BBF40939D54123");
    private static final BigInteger A = P.subtract(BigInteger.valueOf(3));
    private static final BigInteger B = number("28E9FA9E9D9F5E344D5A9E4BCF6509A7F39789F515AB8F92DDBCBD414D940E93");
    private static final Point G = new Point(
        number("32C4AE2C1F1981195F9904466A39C9948FE30BBFF2660BE1715A4589334C74C7"),
        number("BC3736A2F4F6779C59BDCEE36B692153D0A9877CC62A474002DF32E52139F0A0"));
    private static final byte[] ID = "1234567812345678".getBytes(StandardCharsets.US_ASCII);

    /** A point of the curve; null is the one at infinity. */
    private record Point(BigInteger x, BigInteger y) {}

    private Sm() {}

    /** Whether *signature*, r and s, is one of *data* by the owner of *publicKey*, x and y. */
    static boolean isSigned(byte[] publicKey, byte[] data, byte[] signature) {
        if (publicKey.length != 64 || signature.length != 64) return false;
        var point = new Point(half(publicKey, 0), half(publicKey, 32));
        BigInteger r = half(signature, 0), s = half(signature, 32), t = r.add(s).mod(N);
        if (!isOnCurve(point) || r.signum() == 0 || r.compareTo(N) >= 0 || s.signum() == 0 || s.compareTo(N) >= 0 || t.signum() == 0) return false;
        var about = sm3(new byte[] {0, (byte) (8 * ID.length)}, ID, bytes(A), bytes(B), bytes(G.x), bytes(G.y), publicKey);
        var sum = combined(s, G, t, point);
        return sum != null && new BigInteger(1, sm3(about, data)).add(sum.x).mod(N).equals(r);
    }

    private static BigInteger number(String digits) {
        return new BigInteger(digits, 16);
    }

    private static BigInteger half(byte[] bytes, int from) {
        return new BigInteger(1, Arrays.copyOfRange(bytes, from, from + 32));
    }

    private static byte[] bytes(BigInteger value) {
        var bytes = value.toByteArray();
        var padded = new byte[32];
        int length = Math.min(bytes.length, 32);
        System.arraycopy(bytes, bytes.length - length, padded, 32 - length, length);
        return padded;
    }

    private static boolean isOnCurve(Point point) {
        var right = point.x.pow(3).add(A.multiply(point.x)).add(B).mod(P);
        return point.x.compareTo(P) < 0 && point.y.compareTo(P) < 0 && point.y.pow(2).mod(P).equals(right);
    }

    /** a·one + b·other, bit by bit. */
    private static Point combined(BigInteger a, Point one, BigInteger b, Point other) {
        Point both = added(one, other), sum = null;
        for (int bit = 255; bit >= 0; bit--) {
            sum = added(sum, sum);
            if (a.testBit(bit)) sum = added(sum, b.testBit(bit) ? both : one);
            else if (b.testBit(bit)) sum = added(sum, other);
        }
        return sum;
    }

    private static Point added(Point one, Point other) {
        if (one == null || other == null) return one == null ? other : one;
        boolean isSame = one.x.equals(other.x);
        if (isSame && one.y.add(other.y).mod(P).signum() == 0) return null;
        var slope = isSame
            ? one.x.pow(2).multiply(BigInteger.valueOf(3)).add(A).multiply(one.y.shiftLeft(1).modInverse(P)).mod(P)
            : other.y.subtract(one.y).multiply(other.x.subtract(one.x).modInverse(P)).mod(P);
        var x = slope.pow(2).subtract(one.x).subtract(other.x).mod(P);
        return new Point(x, slope.multiply(one.x.subtract(x)).subtract(one.y).mod(P));
    }

    static byte[] hmacSm3(byte[] key, byte[] data) {
        byte[] inner = new byte[64], outer = new byte[64];
        for (int index = 0; index < 64; index++) {
            byte one = index < key.length ? key[index] : 0;
            inner[index] = (byte) (one ^ 0x36);
            outer[index] = (byte) (one ^ 0x5c);
        }
        return sm3(outer, sm3(inner, data));
    }

    static byte[] sm3(byte[]... parts) {
        int length = Arrays.stream(parts).mapToInt(part -> part.length).sum();
        var padded = ByteBuffer.allocate((length + 8) / 64 * 64 + 64);
        for (var part : parts) padded.put(part);
        padded.put((byte) 0x80).putLong(padded.capacity() - 8, 8L * length).rewind();
        var state = START.clone();
        while (padded.hasRemaining()) block(state, padded);
        var digest = ByteBuffer.allocate(32);
        for (int word : state) digest.putInt(word);
        return digest.array();
    }

    private static void block(int[] state, ByteBuffer bytes) {
        var w = new int[68];
        for (int j = 0; j < 16; j++) w[j] = bytes.getInt();
        for (int j = 16; j < 68; j++) {
            int x = w[j - 16] ^ w[j - 9] ^ turned(w[j - 3], 15);
            w[j] = x ^ turned(x, 15) ^ turned(x, 23) ^ turned(w[j - 13], 7) ^ w[j - 6];
        }
        int a = state[0], b = state[1], c = state[2], d = state[3], e = state[4], f = state[5], g = state[6], h = state[7];
        for (int j = 0; j < 64; j++) {
            int first = turned(turned(a, 12) + e + turned(j < 16 ? 0x79cc4519 : 0x7a879d8a, j), 7), second = first ^ turned(a, 12);
            int left = (j < 16 ? a ^ b ^ c : a & b | a & c | b & c) + d + second + (w[j] ^ w[j + 4]);
            int right = (j < 16 ? e ^ f ^ g : e & f | ~e & g) + h + first + w[j];
            d = c;
            c = turned(b, 9);
            b = a;
            a = left;
            h = g;
            g = turned(f, 19);
            f = e;
            e = right ^ turned(right, 9) ^ turned(right, 17);
        }
        int[] mixed = {a, b, c, d, e, f, g, h};
        for (int j = 0; j < 8; j++) state[j] ^= mixed[j];
    }

    private static int turned(int word, int by) {
        return Integer.rotateLeft(word, by);
    }
}
