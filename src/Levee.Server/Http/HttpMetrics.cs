using Levee.Server.Metrics;

namespace Levee.Server.Http;

/// <summary>The HTTP front door's own metrics, as a service beside those of other doors.</summary>
internal sealed record HttpMetrics(FrontDoorMetrics FrontDoor);
