import de.bwaldvogel.mongo.MongoServer;
import de.bwaldvogel.mongo.MongoVersion;
import de.bwaldvogel.mongo.backend.memory.MemoryBackend;
import java.util.List;

/** mongo-java-server with its oplog on, which its own main class has no option for, at a wire version that today's drivers accept. */
class ChangeStreamServer {
  /** 4.4 is the oldest release that the driver speaks to. */
  record Version() implements MongoVersion {
    public int getWireVersion() {
      return 9;
    }

    public List<Integer> getVersionArray() {
      return List.of(4, 4, 0, 0);
    }
  }

  public static void main(String[] arguments) {
    MongoServer server = new MongoServer(new MemoryBackend().version(new Version()));
    server.enableOplog();
    server.bind("127.0.0.1", Integer.parseInt(arguments[0]));
  }
}
