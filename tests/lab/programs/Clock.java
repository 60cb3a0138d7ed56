import java.io.BufferedReader;
import java.io.InputStreamReader;
import java.time.Instant;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import java.util.concurrent.locks.LockSupport;

/** Java's clocks and ways of waiting, as in clock.py. */
public class Clock {
  public static void main(String[] args) throws Exception {
    BufferedReader asked = new BufferedReader(new InputStreamReader(System.in));
    for (String line; (line = asked.readLine()) != null; ) {
      String[] words = line.split(" ");
      if (words[0].equals("now")) {
        System.out.println(tell());
      } else {
        long ms = Math.round(Double.parseDouble(words[2]) * 1000);
        long deadline = System.currentTimeMillis() + ms; // before anybody steps the clock
        System.out.println("begun");
        pause(words[1], ms, deadline);
        System.out.println("ended");
      }
    }
  }

  static String tell() {
    long ms = System.currentTimeMillis();
    Instant now = Instant.now();
    long ns = now.getEpochSecond() * 1_000_000_000L + now.getNano();
    return "currentTimeMillis 1000000 " + ms * 1_000_000L + " Instant 1000 " + ns;
  }

  static void pause(String way, long ms, long deadline) throws Exception {
    switch (way) {
      case "Thread.sleep" -> Thread.sleep(ms);
      case "Object.wait" -> waitOn(new Object(), ms);
      case "Future.get" -> giveUp(new CompletableFuture<Void>(), ms);
      case "parkNanos" -> parkNanos(ms);
      case "parkUntil" -> parkUntil(deadline);
      default -> throw new IllegalArgumentException(way);
    }
  }

  static void waitOn(Object monitor, long ms) throws InterruptedException {
    synchronized (monitor) {
      monitor.wait(ms);
    }
  }

  static void giveUp(CompletableFuture<Void> future, long ms) throws Exception {
    try {
      future.get(ms, TimeUnit.MILLISECONDS);
      throw new AssertionError("nobody completed it");
    } catch (TimeoutException expected) {
      return;
    }
  }

  static void parkNanos(long ms) {
    long start = System.nanoTime();
    while (System.nanoTime() - start < ms * 1_000_000L) {
      LockSupport.parkNanos(ms * 1_000_000L - (System.nanoTime() - start));
    }
  }

  /** Until a wall time: the loop is for wake-ups without cause, which parking allows. */
  static void parkUntil(long deadline) {
    while (System.currentTimeMillis() < deadline) {
      LockSupport.parkUntil(deadline);
    }
  }
}
